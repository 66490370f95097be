package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/open-telemetry/opamp-go/protobufs"
)

// order is one line of standard input: what "do" says, with what it needs.
type order struct {
	Do         string `json:"do"`
	Healthy    bool   `json:"healthy"`
	Error      string `json:"error"`
	Capability string `json:"capability"`
	Type       string `json:"type"`
	Data       string `json:"data"`
}

// takeOrders does health (healthy, error), custom (capability, type, data) and csr, one per line.
func (it *agent) takeOrders(from io.Reader) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		var given order
		must(json.Unmarshal(lines.Bytes(), &given))
		switch given.Do {
		case "health":
			must(it.current().SetHealth(it.health(given.Healthy, given.Error)))
		case "custom":
			it.sendCustom(&protobufs.CustomMessage{
				Capability: given.Capability, Type: given.Type, Data: []byte(given.Data),
			})
		case "csr":
			it.askForCertificate()
		default:
			must(fmt.Errorf("no such order: %q", given.Do))
		}
	}
}

// askForCertificate makes a key that stays here, and sends a request for a certificate of it.
func (it *agent) askForCertificate() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	der, err := x509.MarshalECPrivateKey(key)
	must(err)
	it.mutex.Lock()
	it.key = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	it.mutex.Unlock()
	subject := pkix.Name{CommonName: uuid.UUID(it.uid).String()}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject}, key)
	must(err)
	must(it.current().RequestConnectionSettings(&protobufs.ConnectionSettingsRequest{
		Opamp: &protobufs.OpAMPConnectionSettingsRequest{
			CertificateRequest: &protobufs.CertificateRequest{
				Csr: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}),
			},
		},
	}))
	say("csr_sent", nil)
}
