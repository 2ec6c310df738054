// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command ocisim serves the OCI simulator on a port, with tenancies and users
// made up at the start.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

const usage = `ocisim simulates Oracle Cloud: identity, networks, compute, volumes, limits and
network load balancers of several accounts, on one port.

It prints its URL and writes, for every tenancy, a folder with credentials:
  <name>/config     an OCI configuration file (profile DEFAULT)
  <name>/key.pem    the private key it names
  <name>/tenancy.json  OCIDs of tenancy, user and compartment, fingerprint, endpoint
Point an SDK at it by overriding the endpoint of each client with the URL.

Flags:
`

type settings struct {
	listen      string
	tenancies   int
	domains     int
	pageSize    int
	credentials string
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ocisim:", err)
		os.Exit(1)
	}
}

func run(arguments []string, out io.Writer) error {
	var chosen settings
	flags := flag.NewFlagSet("ocisim", flag.ContinueOnError)
	flags.StringVar(&chosen.listen, "listen", "127.0.0.1:12080", "address to listen on; port 0 takes a free one")
	flags.IntVar(&chosen.tenancies, "tenancies", 1, "number of tenancies, named tenancy-1 and so on")
	flags.IntVar(&chosen.domains, "availability-domains", 1, "availability domains of each tenancy: 1 or 3")
	flags.IntVar(&chosen.pageSize, "page-size", model.MaxPage, "largest page a list gives")
	flags.StringVar(&chosen.credentials, "credentials-dir", "", "folder to write credentials to (default: a new temporary one)")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return serve(ctx, chosen, out)
}

func serve(ctx context.Context, chosen settings, out io.Writer) (err error) {
	var tenancies []*sim.Tenancy
	var users []sim.Credentials
	for i := 1; i <= chosen.tenancies; i++ {
		tenancy := sim.NewTenancy(fmt.Sprintf("tenancy-%d", i))
		tenancy.ADs = chosen.domains
		user, err := tenancy.NewUser()
		if err != nil {
			return err
		}
		tenancies, users = append(tenancies, tenancy), append(users, user)
	}
	simulator, err := sim.New(sim.Options{Tenancies: tenancies, PageSize: chosen.pageSize})
	if err != nil {
		return err
	}
	if err := simulator.Start(chosen.listen); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, simulator.Close()) }()
	folder := chosen.credentials
	if folder == "" {
		if folder, err = os.MkdirTemp("", "ocisim-"); err != nil {
			return fmt.Errorf("making a folder for credentials: %w", err)
		}
	}
	for i, tenancy := range tenancies {
		if err := writeCredentials(filepath.Join(folder, tenancy.Name), simulator.URL(), tenancy, users[i]); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(out, "Serving OCI on %s\nCredentials of %d tenancies in %s\n", simulator.URL(), len(tenancies), folder); err != nil {
		return fmt.Errorf("printing the URL: %w", err)
	}
	<-ctx.Done()
	return nil
}

// writeCredentials writes the credentials for a client of the tenancy, readable by the owner only.
func writeCredentials(folder, endpoint string, tenancy *sim.Tenancy, user sim.Credentials) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("making the folder for credentials: %w", err)
	}
	key := filepath.Join(folder, "key.pem")
	profile := fmt.Sprintf("[DEFAULT]\nuser=%s\nfingerprint=%s\ntenancy=%s\nregion=%s\nkey_file=%s\n",
		user.UserOCID, user.Fingerprint, user.TenancyOCID, user.Region, key)
	description, err := json.MarshalIndent(map[string]string{
		"name": tenancy.Name, "endpoint": endpoint, "tenancy": user.TenancyOCID, "user": user.UserOCID,
		"fingerprint": user.Fingerprint, "region": user.Region, "compartment": tenancy.Compartment(),
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("describing the tenancy %s: %w", tenancy.Name, err)
	}
	for name, content := range map[string]string{key: user.PrivateKeyPEM, filepath.Join(folder, "config"): profile,
		filepath.Join(folder, "tenancy.json"): string(description) + "\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return fmt.Errorf("writing credentials: %w", err)
		}
	}
	return nil
}
