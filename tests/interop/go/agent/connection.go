package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/open-telemetry/opamp-go/client"
	"github.com/open-telemetry/opamp-go/client/types"
	"github.com/open-telemetry/opamp-go/protobufs"
)

const patience = 5 * time.Second

// connection is all that an offer of OpAMP connection settings can change.
type connection struct {
	url      string
	header   http.Header
	interval time.Duration
	tls      *tls.Config
}

func firstConnection(url, token string, interval time.Duration, caFile string) connection {
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	first := connection{url: url, header: header, interval: interval}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		must(err)
		first.tls, err = trusting(pem)
		must(err)
	}
	return first
}

// trusting gives TLS settings that believe these authorities, or those of the system when there are none.
func trusting(pem []byte) (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(pem) == 0 {
		return settings, nil
	}
	settings.RootCAs = x509.NewCertPool()
	if !settings.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate to trust")
	}
	return settings, nil
}

// connect starts a client; it goes on trying in the background.
func (it *agent) connect(to connection) {
	var made client.OpAMPClient
	transport := "ws"
	if strings.HasPrefix(to.url, "http") {
		transport = "http"
		made = client.NewHTTP(onlyErrors{})
	} else {
		made = client.NewWebSocket(onlyErrors{})
	}
	must(made.SetAgentDescription(it.description))
	must(made.SetHealth(it.health(true, "")))
	if it.shelf == nil {
		must(made.SetCapabilities(&it.capabilities))
	}
	if len(it.custom) > 0 {
		must(made.SetCustomCapabilities(&protobufs.CustomCapabilities{Capabilities: it.custom}))
	}
	connected := make(chan struct{}, 1)
	it.mutex.Lock()
	it.client, it.now, it.connected = made, to, connected
	settings := types.StartSettings{
		OpAMPServerURL: to.url, Header: to.header, TLSConfig: to.tls, InstanceUid: it.uid,
		HeartbeatInterval: &to.interval, RemoteConfigStatus: it.status, LastConnectionSettingsStatus: it.settings,
	}
	it.mutex.Unlock()
	if it.shelf != nil {
		// Before Start the library takes no capabilities for packages but with these settings.
		settings.PackagesStateProvider, settings.Capabilities = it.shelf, it.capabilities
	}
	settings.Callbacks = types.Callbacks{
		OnConnect: func(context.Context) {
			say("connected", fields{"transport": transport})
			select {
			case connected <- struct{}{}:
			default:
			}
		},
		OnConnectFailed: func(_ context.Context, err error) { say("connect_failed", fields{"error": err.Error()}) },
		OnError: func(_ context.Context, refusal *protobufs.ServerErrorResponse) {
			say("server_error", fields{"error": refusal.ErrorMessage, "type": refusal.Type.String()})
		},
		OnMessage: it.onMessage,
		OnCommand: func(_ context.Context, command *protobufs.ServerToAgentCommand) error {
			say("command", fields{"type": command.Type.String()})
			return nil
		},
		GetEffectiveConfig: func(context.Context) (*protobufs.EffectiveConfig, error) {
			it.mutex.Lock()
			defer it.mutex.Unlock()
			return &protobufs.EffectiveConfig{ConfigMap: it.effective}, nil
		},
		OnOpampConnectionSettings: it.onOpampSettings,
		OnConnectionSettings:      it.onOtherSettings,
	}
	must(made.Start(context.Background(), settings))
}

func (it *agent) disconnect() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := it.current().Stop(ctx); err != nil {
		say("stop_failed", fields{"error": err.Error()})
	}
}

// onOtherSettings takes offers for the agent's own telemetry: it has none to send, and says so only here.
func (it *agent) onOtherSettings(_ context.Context, offered *protobufs.ConnectionSettingsOffers) error {
	endpoints := map[string]string{}
	for signal, settings := range map[string]*protobufs.TelemetryConnectionSettings{
		"metrics": offered.OwnMetrics, "traces": offered.OwnTraces, "logs": offered.OwnLogs,
	} {
		if settings != nil {
			endpoints[signal] = settings.DestinationEndpoint
		}
	}
	say("telemetry", fields{"hash": hex.EncodeToString(offered.Hash), "endpoints": endpoints})
	return nil
}

// onOpampSettings judges an offer at once and moves over beside the client, which cannot be stopped from within.
func (it *agent) onOpampSettings(_ context.Context, offered *protobufs.OpAMPConnectionSettings) error {
	headers := map[string]string{}
	for _, header := range offered.GetHeaders().GetHeaders() {
		headers[header.Key] = header.Value
	}
	say("settings", fields{
		"endpoint": offered.DestinationEndpoint, "headers": headers, "heartbeat": offered.HeartbeatIntervalSeconds,
		"certificate": string(offered.GetCertificate().GetCert()), "ca": string(offered.GetCertificate().GetCaCert()),
	})
	next, err := it.changed(offered)
	if err != nil {
		return err
	}
	go it.move(next)
	return nil
}

// changed gives the present connection with what was offered in it.
func (it *agent) changed(offered *protobufs.OpAMPConnectionSettings) (connection, error) {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	next := it.now
	if offered.DestinationEndpoint != "" {
		next.url = offered.DestinationEndpoint
	}
	if offered.Headers != nil {
		next.header = http.Header{}
		for _, header := range offered.Headers.Headers {
			next.header.Add(header.Key, header.Value)
		}
	}
	if offered.HeartbeatIntervalSeconds > 0 {
		next.interval = time.Duration(offered.HeartbeatIntervalSeconds) * time.Second
	}
	if trusted := offered.GetTls().GetCaPemContents(); trusted != "" {
		settings, err := trusting([]byte(trusted))
		if err != nil {
			return next, err
		}
		next.tls = settings
	}
	// Its ca_cert is who signed the certificate, and says nothing of whom to trust.
	if certificate := offered.GetCertificate(); len(certificate.GetCert()) > 0 {
		key := certificate.PrivateKey
		if len(key) == 0 {
			key = it.key
		}
		pair, err := tls.X509KeyPair(certificate.Cert, key)
		if err != nil {
			return next, err
		}
		if next.tls == nil {
			next.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		next.tls = next.tls.Clone()
		next.tls.Certificates = []tls.Certificate{pair}
	}
	return next, nil
}

// move goes over to new settings, and back when they do not work; either way it says how that ended.
func (it *agent) move(next connection) {
	it.mutex.Lock()
	before := it.now
	it.settings = &protobufs.ConnectionSettingsStatus{
		LastConnectionSettingsHash: it.offered,
		Status:                     protobufs.ConnectionSettingsStatuses_ConnectionSettingsStatuses_APPLIED,
	}
	it.mutex.Unlock()
	it.disconnect()
	it.connect(next)
	select {
	case <-it.connected:
		say("moved", fields{"url": next.url})
	case <-time.After(patience):
		it.disconnect()
		it.mutex.Lock()
		it.settings = &protobufs.ConnectionSettingsStatus{
			LastConnectionSettingsHash: it.settings.LastConnectionSettingsHash,
			Status:                     protobufs.ConnectionSettingsStatuses_ConnectionSettingsStatuses_FAILED,
			ErrorMessage:               "there is no way to " + next.url,
		}
		it.mutex.Unlock()
		it.connect(before)
		say("moved_back", fields{"url": before.url})
	}
}
