// An agent made of opamp-go's client: does what the server asks, and prints one line of JSON per thing that happens.
//
// It takes orders on standard input, one JSON object per line; see orders.go.
package main

import (
	"flag"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
)

func main() {
	url := flag.String("url", "", "address of the server; ws: or http: tells the transport")
	token := flag.String("token", "", "enrolment token, sent as Authorization: Bearer")
	name := flag.String("name", "opamp-go-agent", "service.name")
	labels := flag.String("labels", "", "non-identifying attributes, KEY=VALUE,KEY=VALUE")
	interval := flag.Duration("interval", time.Second, "between heartbeats or polls")
	refuse := flag.String("refuse", "", "a configuration with this text in it is reported as failed")
	ca := flag.String("ca", "", "file of certificates to trust, PEM, for wss: and https:")
	also := flag.String("also", "", "capabilities beyond the usual: restart, settings, telemetry, packages, custom:NAME")
	flag.Parse()

	it := newAgent(*name, attributes(*labels), *refuse, strings.Split(*also, ","))
	it.connect(firstConnection(*url, *token, *interval, *ca))
	say("started", fields{"uid": uuid.UUID(it.uid).String()})
	go it.takeOrders(os.Stdin)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	it.disconnect()
	say("stopped", nil)
}

// attributes reads KEY=VALUE,KEY=VALUE.
func attributes(text string) map[string]string {
	found := map[string]string{}
	for _, pair := range strings.Split(text, ",") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			found[key] = value
		}
	}
	return found
}
