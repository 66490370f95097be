package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/open-telemetry/opamp-go/client"
	"github.com/open-telemetry/opamp-go/client/types"
	"github.com/open-telemetry/opamp-go/protobufs"
)

const startConfig = "receivers: {}\n"

const usualCapabilities = protobufs.AgentCapabilities_AgentCapabilities_ReportsStatus |
	protobufs.AgentCapabilities_AgentCapabilities_AcceptsRemoteConfig |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsRemoteConfig |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsEffectiveConfig |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsHealth |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsHeartbeat

const telemetryCapabilities = protobufs.AgentCapabilities_AgentCapabilities_ReportsOwnMetrics |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsOwnTraces |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsOwnLogs |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsConnectionSettingsStatus

const settingsCapabilities = protobufs.AgentCapabilities_AgentCapabilities_AcceptsOpAMPConnectionSettings |
	protobufs.AgentCapabilities_AgentCapabilities_ReportsConnectionSettingsStatus

// agent is what stays the same over every connection it has.
type agent struct {
	uid          types.InstanceUid
	description  *protobufs.AgentDescription
	capabilities protobufs.AgentCapabilities
	custom       []string
	refuse       string
	shelf        *shelf
	started      uint64

	mutex     sync.Mutex
	client    client.OpAMPClient
	now       connection
	connected chan struct{}
	effective *protobufs.AgentConfigMap
	status    *protobufs.RemoteConfigStatus
	key       []byte

	// settings is how the newest offer of connection settings ended, offered its hash.
	settings *protobufs.ConnectionSettingsStatus
	offered  []byte
}

func newAgent(name string, labels map[string]string, refuse string, also []string) *agent {
	id, err := uuid.NewV7()
	must(err)
	host, err := os.Hostname()
	must(err)
	it := &agent{
		uid:          types.InstanceUid(id),
		capabilities: usualCapabilities,
		refuse:       refuse,
		started:      uint64(time.Now().UnixNano()),
		effective:    oneFile("", startConfig),
		description: &protobufs.AgentDescription{
			IdentifyingAttributes: []*protobufs.KeyValue{
				attribute("service.name", name),
				attribute("service.version", "1.2.3"),
				attribute("service.instance.id", id.String()),
			},
			NonIdentifyingAttributes: []*protobufs.KeyValue{attribute("os.type", "linux"), attribute("host.name", host)},
		},
	}
	for key, value := range labels {
		it.description.NonIdentifyingAttributes = append(it.description.NonIdentifyingAttributes, attribute(key, value))
	}
	for _, word := range also {
		switch kind, rest, _ := strings.Cut(word, ":"); kind {
		case "restart":
			it.capabilities |= protobufs.AgentCapabilities_AgentCapabilities_AcceptsRestartCommand
		case "settings":
			it.capabilities |= settingsCapabilities
		case "telemetry":
			it.capabilities |= telemetryCapabilities
		case "packages":
			it.capabilities |= packageCapabilities
			it.shelf = newShelf(refuse)
		case "custom":
			it.custom = append(it.custom, rest)
		case "":
		default:
			must(fmt.Errorf("-also does not know %q", word))
		}
	}
	return it
}

func attribute(key, value string) *protobufs.KeyValue {
	text := &protobufs.AnyValue_StringValue{StringValue: value}
	return &protobufs.KeyValue{Key: key, Value: &protobufs.AnyValue{Value: text}}
}

func oneFile(name, body string) *protobufs.AgentConfigMap {
	file := &protobufs.AgentConfigFile{Body: []byte(body), ContentType: "text/yaml"}
	return &protobufs.AgentConfigMap{ConfigMap: map[string]*protobufs.AgentConfigFile{name: file}}
}

// onMessage does what came with a message; connection settings come by a callback of their own.
func (it *agent) onMessage(ctx context.Context, message *types.MessageData) {
	if message.OfferedConnectionsSettingsHash != nil {
		it.mutex.Lock()
		it.offered = message.OfferedConnectionsSettingsHash
		it.mutex.Unlock()
	}
	if message.AgentIdentification != nil {
		say("identified", fields{"uid": hex.EncodeToString(message.AgentIdentification.NewInstanceUid)})
		copy(it.uid[:], message.AgentIdentification.NewInstanceUid)
	}
	if message.CustomCapabilities != nil {
		say("server_custom_capabilities", fields{"capabilities": message.CustomCapabilities.Capabilities})
	}
	if message.CustomMessage != nil {
		it.onCustomMessage(message.CustomMessage)
	}
	if message.PackagesAvailable != nil {
		it.onPackages(ctx, message)
	}
	if message.RemoteConfig != nil {
		it.onConfig(ctx, message.RemoteConfig)
	}
}

// onConfig applies a configuration, or refuses it and goes on with the one it has.
func (it *agent) onConfig(ctx context.Context, offered *protobufs.AgentRemoteConfig) {
	bodies := map[string]string{}
	refused := false
	for name, file := range offered.Config.ConfigMap {
		bodies[name] = string(file.Body)
		refused = refused || (it.refuse != "" && strings.Contains(string(file.Body), it.refuse))
	}
	say("config", fields{"hash": hex.EncodeToString(offered.ConfigHash), "files": bodies})

	status := &protobufs.RemoteConfigStatus{
		LastRemoteConfigHash: offered.ConfigHash,
		Status:               protobufs.RemoteConfigStatuses_RemoteConfigStatuses_APPLIED,
	}
	it.mutex.Lock()
	if refused {
		status.Status = protobufs.RemoteConfigStatuses_RemoteConfigStatuses_FAILED
		status.ErrorMessage = fmt.Sprintf("this agent does not take %q; it keeps what it had", it.refuse)
	} else {
		it.effective = offered.Config
	}
	it.status = status
	connected := it.client
	it.mutex.Unlock()
	must(connected.SetRemoteConfigStatus(status))
	must(connected.UpdateEffectiveConfig(ctx))
}

// onCustomMessage answers with the same bytes.
func (it *agent) onCustomMessage(message *protobufs.CustomMessage) {
	say("custom", fields{"capability": message.Capability, "type": message.Type, "data": string(message.Data)})
	echo := &protobufs.CustomMessage{Capability: message.Capability, Type: "echo", Data: message.Data}
	it.sendCustom(echo)
}

func (it *agent) sendCustom(message *protobufs.CustomMessage) {
	if _, err := it.current().SendCustomMessage(message); err != nil {
		say("custom_failed", fields{"error": err.Error()})
	}
}

func (it *agent) current() client.OpAMPClient {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	return it.client
}

func (it *agent) health(healthy bool, lastError string) *protobufs.ComponentHealth {
	status := "running"
	if !healthy {
		status = "degraded"
	}
	return &protobufs.ComponentHealth{
		Healthy: healthy, StartTimeUnixNano: it.started, StatusTimeUnixNano: uint64(time.Now().UnixNano()),
		Status: status, LastError: lastError,
	}
}
