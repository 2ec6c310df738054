// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/mirror"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/mgmt"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

const (
	// serverAddress is the management host's on the lab's Internet.
	serverAddress = network.ManagementAddress
	loginServer   = "https://" + serverAddress
	vipRange      = "10.250.0.0/16"

	nodeTag         = "tag:capom-node"
	controlPlaneTag = "tag:capom-control-plane"
	operatorTag     = "tag:capom-operator"

	managementHostname = "management"
	regionOfAccounts   = "eu-frankfurt-1"
	startTimeout       = time.Minute
)

func (w *World) openNetwork(context.Context) error {
	opened, err := network.Open()
	if err != nil {
		return err
	}
	w.Network = opened
	w.onClose(func() error { return opened.Close(context.Background()) })
	return nil
}

// startServers starts the servers on the lab's Internet.
func (w *World) startServers(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", network.MirrorAddress+":443")
	if err != nil {
		return fmt.Errorf("serve packages: %w", err)
	}
	ca := w.Programs.Assets.CA
	w.Mirror = mirror.NewServer(w.Programs.Mirror)
	server := &http.Server{Handler: w.Mirror, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.ServeTLS(listener, ca.ServerCert, ca.ServerKey) }()
	w.onClose(server.Close)
	return w.startCoordination(ctx)
}

// startCoordination runs the coordination server with its relay, and waits until
// it answers.
func (w *World) startCoordination(ctx context.Context) error {
	apiKey := "hskey-api-" + strings.ToLower(rand.Text()[:12]) + "-" + strings.ToLower(rand.Text())
	keyFile := filepath.Join(w.Dir, "tailnet-api-key")
	if err := os.WriteFile(keyFile, []byte(apiKey), 0o600); err != nil {
		return fmt.Errorf("write the tailnet's API key: %w", err)
	}
	w.apiKey = apiKey
	ca := w.Programs.Assets.CA
	if err := w.run("coordination", nil, w.Programs.Coordination, "--listen="+coordinationServer.String(), "--relay="+relayServer.String(),
		"--stun="+stunServer.String(), "--derp-ip="+serverAddress, "--cert="+ca.ServerCert, "--key="+ca.ServerKey, "--mode=Headscale",
		"--tags="+controlPlaneTag+","+nodeTag, "--api-key-file="+keyFile); err != nil {
		return err
	}
	pool, err := certPool(ca.Cert)
	if err != nil {
		return err
	}
	w.http = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	w.Tailnet = tailnetsim.NewRemote(loginServer).WithClient(w.http)
	return w.WaitFor(ctx, startTimeout, func(ctx context.Context) string {
		if _, err := w.Tailnet.Devices(ctx); err != nil {
			return "the coordination server: " + err.Error()
		}
		return ""
	})
}

func certPool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the lab's CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}

// startOCI starts the simulator with one tenancy an account; its instances are machines behind the
// account's NAT.
func (w *World) startOCI(ctx context.Context, names []string) error {
	for _, name := range names {
		account, err := user.NewAccount(name, regionOfAccounts)
		if err != nil {
			return err
		}
		account.Tenancy.Images = append(sim.DefaultImages(), w.images(account.Tenancy.Compartment())...)
		w.accounts = append(w.accounts, account)
		w.networks[name] = &Account{name: name, world: w, vcns: map[string]*vcn{}}
		w.onClose(w.networks[name].close)
		// Tests enter the first one's router before they boot anything.
		if _, err := w.networks[name].vcn(ctx, ""); err != nil {
			return err
		}
	}
	w.machines = newMachines(w)
	var err error
	w.OCI, err = sim.New(sim.Options{Tenancies: user.Tenancies(w.accounts), Booter: w.machines})
	if err != nil {
		return err
	}
	if err := w.OCI.Start("127.0.0.1:0"); err != nil {
		return err
	}
	w.onClose(w.machines.close)
	w.onClose(w.OCI.Close)
	w.note("%d OCI tenancies, each behind its own NAT, and a coordination server", len(names))
	return nil
}

// Fill leaves no account room for another machine.
func (w *World) Fill() error {
	for _, account := range w.accounts {
		if err := w.OCI.SetCapacity(account.Name, sim.CapacityKey{Shape: machineShape}, 0); err != nil {
			return err
		}
	}
	return nil
}

// hostNames are all names of the lab's resolvers: package repositories.
func hostNames() map[string]netip.Addr {
	all := map[string]netip.Addr{}
	for _, name := range mirror.Hosts {
		all[name] = netip.MustParseAddr(network.MirrorAddress)
	}
	return all
}

// images are custom images of an account, one for each Kubernetes version.
func (w *World) images(compartment string) []sim.ImageSpec {
	var specs []sim.ImageSpec
	for _, version := range w.Programs.Assets.Versions() {
		specs = append(specs, sim.ImageSpec{Name: imageName(version), OperatingSystem: "Canonical Ubuntu",
			OperatingSystemVersion: "24.04", Arch: "amd64", Compartment: compartment, Created: time.Now()})
	}
	return specs
}

// imageName is the display name of the image with a Kubernetes version.
func imageName(version string) string { return "lab-" + version }

// joinManagement puts the management host on the tailnet: the managers reach workload clusters by
// their VIPs, as routes.
func (w *World) joinManagement(ctx context.Context) error {
	key, err := w.keyFile(ctx, operatorTag)
	if err != nil {
		return err
	}
	a := w.Programs.Assets
	state := filepath.Join(w.Dir, "management-tailscale")
	socket := filepath.Join(state, "socket")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return fmt.Errorf("make tailscaled's folder: %w", err)
	}
	trust := "SSL_CERT_FILE=" + a.CA.Cert
	if err := w.run("management-tailscaled", []string{trust}, a.Tailscaled, "--no-logs-no-support", "--statedir="+state, "--socket="+socket, "--port=41641"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	up := exec.CommandContext(ctx, a.Tailscale, "--socket="+socket, "up", "--login-server="+loginServer, "--auth-key=file:"+key,
		"--hostname="+managementHostname, "--accept-routes", "--accept-dns=false", "--netfilter-mode=off", "--timeout=50s")
	up.Env = append(os.Environ(), trust)
	if err := w.WaitFor(ctx, startTimeout, func(context.Context) string {
		if _, err := os.Stat(socket); err != nil {
			return "tailscaled's socket"
		}
		return ""
	}); err != nil {
		return err
	}
	if out, err := up.CombinedOutput(); err != nil {
		return fmt.Errorf("join the tailnet with the management host: %w: %s", err, out)
	}
	w.note("the management host is on the tailnet")
	return nil
}

func (w *World) startManagement(ctx context.Context, o Options) error {
	// The managers inherit the environment: the tailnet's API has a certificate of the lab's CA.
	if err := os.Setenv("SSL_CERT_FILE", w.Programs.Assets.CA.Cert); err != nil {
		return fmt.Errorf("trust the lab's CA: %w", err)
	}
	args := []string{"--poll-interval=10s", "--progress-interval=2s", "--request-timeout=10s"}
	if o.JoinTimeout > 0 {
		args = append(args, "--join-timeout="+o.JoinTimeout.String())
	}
	var err error
	w.Management, err = mgmt.Start(ctx, mgmt.Options{
		Root: w.Programs.Root, Dir: w.Dir, Binaries: w.Programs.Management, CAAPHCRDs: os.Getenv("CAPOM_CAAPH_CRDS"), Progress: w.progress,
		Provider: &mgmt.Provider{Binary: w.Programs.Manager, Args: args, InPlaceUpdates: o.InPlaceUpdates},
	})
	if err != nil {
		return err
	}
	w.onClose(w.Management.Stop)
	w.Client, err = user.NewClient(w.Management.Config)
	return err
}

// createAccounts creates the OCIAccounts and the Tailnet, and waits until they
// are Ready.
func (w *World) createAccounts(ctx context.Context) error {
	everyone := infrav1.AllowedNamespaces{Selector: &metav1.LabelSelector{}}
	objects := user.TailnetObjects(TailnetName, infrav1.APIKey, map[string]string{infrav1.TailnetAPIKeyKey: w.apiKey}, infrav1.TailnetSpec{
		LoginServer: loginServer, NodeTags: []string{nodeTag}, ControlPlaneTags: []string{controlPlaneTag}, VIPRange: vipRange,
		AllowedNamespaces: everyone,
	})
	for _, a := range w.accounts {
		objects = append(objects, a.Objects(w.OCI.URL(), everyone)...)
	}
	if err := user.Create(ctx, w.Client, objects); err != nil {
		return err
	}
	err := w.WaitFor(ctx, startTimeout, func(ctx context.Context) string {
		for _, o := range objects {
			if err := w.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
				return err.Error()
			}
		}
		return user.NotReady(objects)
	})
	if err == nil {
		w.note("accounts and tailnet are Ready")
	}
	return err
}
