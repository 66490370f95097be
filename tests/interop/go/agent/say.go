package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"sync"
)

var stdout sync.Mutex

type fields map[string]any

// say prints one event as one line of JSON.
func say(event string, more fields) {
	line := fields{"event": event}
	for key, value := range more {
		line[key] = value
	}
	text, err := json.Marshal(line)
	must(err)
	stdout.Lock()
	defer stdout.Unlock()
	fmt.Println(string(text))
}

// must ends the program: what it guards is wrong in the program, not in the world.
func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// onlyErrors passes the library's errors to stderr.
type onlyErrors struct{}

func (onlyErrors) Debugf(context.Context, string, ...any) {}

func (onlyErrors) Errorf(_ context.Context, format string, values ...any) {
	log.Printf(format, values...)
}
