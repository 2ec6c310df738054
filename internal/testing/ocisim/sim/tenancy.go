// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// The model's vocabulary for users of a simulator.
type (
	// Delays are the times of life cycles.
	Delays = model.Delays
	// Fault is a failure of the next calls of an operation.
	Fault = model.Fault
	// Call is one entry of the call log.
	Call = model.Call
	// Compartment is a folder of resources.
	Compartment = model.Compartment
	// CapacityKey names hosts; an empty field stands for any.
	CapacityKey = model.CapacityKey
	// ImageSpec describes an image to offer.
	ImageSpec = model.ImageSpec
	// Booter follows the simulated machines' life cycles.
	Booter = model.Booter
	// Machine is an instance as a Booter sees it.
	Machine = model.Machine
	// DataVolume is a volume attached to a machine.
	DataVolume = model.DataVolume
	// Leftover is a resource that still exists.
	Leftover = model.Leftover
	// Clock is the simulator's time.
	Clock = model.Clock
	// ManualClock stands still until it is advanced.
	ManualClock = model.ManualClock
)

// NewManualClock returns a clock standing at the present; Advance moves it.
var NewManualClock = model.NewManualClock

// DefaultImages are the platform images of tenancies without a list of their own.
var DefaultImages = model.DefaultImages

// DefaultDelays are short life cycles for the real clock.
var DefaultDelays = model.DefaultDelays

// Tenancy describes a simulated account; see model.Tenancy for its fields.
type Tenancy struct {
	model.Tenancy
}

// NewTenancy returns an account of the name with all defaults filled in: one availability domain
// with three fault domains in us-ashburn-1, one compartment named "mesh", the default shapes and
// images, no user. Change what you like before New.
func NewTenancy(name string) *Tenancy {
	tenancy := &Tenancy{Tenancy: model.Tenancy{Name: name, OCID: model.NewOCID("tenancy", "")}}
	tenancy.Compartments = []Compartment{{Name: "mesh", OCID: model.NewOCID("compartment", "")}}
	return tenancy
}

// Compartment returns the OCID of the first compartment below the root.
func (t *Tenancy) Compartment() string { return t.Compartments[0].OCID }

// Credentials are the content of an OCI configuration file: an SDK signs as a user with them.
type Credentials struct {
	TenancyOCID string
	UserOCID    string
	// Fingerprint is the MD5 sum of the public key's DER form, colon separated.
	Fingerprint string
	// PrivateKeyPEM is the RSA key in PKCS #8 form.
	PrivateKeyPEM string
	Region        string
}

// NewUser adds a user with a fresh key. Without compartments the user may use
// the whole tenancy, otherwise only those (OCIDs).
func (t *Tenancy) NewUser(compartments ...string) (Credentials, error) {
	key, err := NewKey()
	if err != nil {
		return Credentials{}, err
	}
	return t.NewUserWith(key, compartments...)
}

// NewUserWith is NewUser with a key that is there already.
func (t *Tenancy) NewUserWith(key *rsa.PrivateKey, compartments ...string) (Credentials, error) {
	user, credentials, err := t.makeUser(key, compartments)
	if err == nil {
		t.Users = append(t.Users, user)
	}
	return credentials, err
}

// NewKey makes a key for a user.
func NewKey() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generating a user's key: %w", err)
	}
	return key, nil
}

func (t *Tenancy) makeUser(key *rsa.PrivateKey, compartments []string) (*model.User, Credentials, error) {
	fingerprint, err := Fingerprint(&key.PublicKey)
	if err != nil {
		return nil, Credentials{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, Credentials{}, fmt.Errorf("encoding the key of a user of %s: %w", t.Name, err)
	}
	user := &model.User{OCID: model.NewOCID("user", ""), Keys: map[string]*rsa.PublicKey{fingerprint: &key.PublicKey}, Compartments: compartments}
	region := t.Region
	if region == "" {
		region = "us-ashburn-1"
	}
	return user, Credentials{
		TenancyOCID: t.OCID, UserOCID: user.OCID, Fingerprint: fingerprint, Region: region,
		PrivateKeyPEM: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}, nil
}

// Fingerprint names a public key as OCI does (docs.oracle.com,
// API/Concepts/apisigningkey.htm).
func Fingerprint(key *rsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encoding a public key: %w", err)
	}
	var parts []string
	for _, octet := range md5.Sum(der) {
		parts = append(parts, fmt.Sprintf("%02x", octet))
	}
	return strings.Join(parts, ":"), nil
}
