package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/open-telemetry/opamp-go/client/types"
	"github.com/open-telemetry/opamp-go/protobufs"
)

const packageCapabilities = protobufs.AgentCapabilities_AgentCapabilities_AcceptsPackages |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsPackageStatuses

// shelf is where the library keeps packages: in memory, with every file checked against its hash.
type shelf struct {
	refuse string

	mutex    sync.Mutex
	all      []byte
	states   map[string]types.PackageState
	hashes   map[string][]byte
	statuses *protobufs.PackageStatuses
}

func newShelf(refuse string) *shelf {
	return &shelf{refuse: refuse, states: map[string]types.PackageState{}, hashes: map[string][]byte{}}
}

// onPackages lets the library fetch what is new; it tells the server how that goes by itself.
func (it *agent) onPackages(ctx context.Context, message *types.MessageData) {
	offered := map[string]string{}
	for name, each := range message.PackagesAvailable.Packages {
		offered[name] = each.Version
	}
	say("packages", fields{"hash": hex.EncodeToString(message.PackagesAvailable.AllPackagesHash), "offered": offered})
	must(message.PackageSyncer.Sync(ctx))
}

func (s *shelf) AllPackagesHash() ([]byte, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.all, nil
}

func (s *shelf) SetAllPackagesHash(hash []byte) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.all = hash
	return nil
}

func (s *shelf) Packages() ([]string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var names []string
	for name := range s.states {
		names = append(names, name)
	}
	return names, nil
}

func (s *shelf) PackageState(name string) (types.PackageState, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.states[name], nil
}

// SetPackageState is called when a file is in place; the state of a new package says that it does not exist yet.
func (s *shelf) SetPackageState(name string, state types.PackageState) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	state.Exists, state.Type = true, s.states[name].Type
	s.states[name] = state
	say("package_installed", fields{"name": name, "version": state.Version})
	return nil
}

func (s *shelf) CreatePackage(name string, kind protobufs.PackageType) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.states[name].Exists {
		return errors.New("it is there already")
	}
	s.states[name] = types.PackageState{Exists: true, Type: kind}
	return nil
}

func (s *shelf) FileContentHash(name string) ([]byte, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.hashes[name], nil
}

func (s *shelf) UpdateContent(_ context.Context, name string, data io.Reader, hash, signature []byte) error {
	content, err := io.ReadAll(data)
	if err != nil {
		return err
	}
	found := sha256.Sum256(content)
	say("package_file", fields{
		"name": name, "size": len(content), "sha256": hex.EncodeToString(found[:]), "signed": len(signature) > 0,
	})
	if !bytes.Equal(found[:], hash) {
		return errors.New("the content has another hash")
	}
	if s.refuse != "" && strings.Contains(string(content), s.refuse) {
		return fmt.Errorf("this agent does not take %q", s.refuse)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.hashes[name] = hash
	return nil
}

func (s *shelf) DeletePackage(name string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.states, name)
	delete(s.hashes, name)
	say("package_removed", fields{"name": name})
	return nil
}

func (s *shelf) LastReportedStatuses() (*protobufs.PackageStatuses, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.statuses, nil
}

func (s *shelf) SetLastReportedStatuses(statuses *protobufs.PackageStatuses) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.statuses = statuses
	return nil
}
