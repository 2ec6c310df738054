// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden shows the differences between machines: the node's settings and volumes. The scripts are
// the same for all and are reviewed where they lie.
func golden(t *testing.T, in Input) string {
	t.Helper()
	userData, err := Render(in)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(userData)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "== %s\n%s== %s\n%s== files\n", nodeEnvPath, parsed.Files[nodeEnvPath], volumesPath, parsed.Files[volumesPath])
	for _, name := range slices.Sorted(maps.Keys(parsed.Files)) {
		out.WriteString(name + "\n")
	}
	return out.String()
}

func TestGoldenFiles(t *testing.T) {
	roles := map[string]bool{"worker": false, "control-plane": true}
	endpoints := map[string]Endpoint{
		"vip":      {Host: "10.250.0.1", VIP: true, VIPRange: netip.MustParsePrefix("10.250.0.0/16")},
		"external": {Host: "api.example.org", Port: 443},
	}
	modes := map[string]BootstrapMode{"preinstalled": BootstrapPreinstalled, "install": BootstrapInstall}
	networks := map[string]PodNetworkMode{"vxlan": PodNetworkVXLAN, "routes": PodNetworkTailnetRoutes}
	for role, controlPlane := range roles {
		for endpointName, endpoint := range endpoints {
			for modeName, mode := range modes {
				for networkName, network := range networks {
					name := strings.Join([]string{role, endpointName, modeName, networkName}, "-")
					t.Run(name, func(t *testing.T) {
						in := controlPlaneInput()
						in.ControlPlane, in.Endpoint, in.BootstrapMode, in.PodNetwork.Mode = controlPlane, endpoint, mode, network
						in.Tailnet.LoginServer = "https://headscale.example.org"
						in.DataVolumes = []DataVolume{{Device: "/dev/oracleoci/oraclevdb", FileSystem: "ext4", MountPath: "/var/lib/data"}}
						compareGolden(t, name, golden(t, in))
					})
				}
			}
		}
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	g := NewWithT(t)
	file := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(file, []byte(got), 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(string(want)), "if this is meant, run go test ./cloud/cloudinit -update")
}

func TestWhatANodeCouldNotUseIsRefusedByName(t *testing.T) {
	cases := map[string]struct {
		change func(*Input)
		field  string
	}{
		"no bootstrap data":      {func(in *Input) { in.Bootstrap = nil }, "Bootstrap"},
		"no cloud-config":        {func(in *Input) { in.Bootstrap = []byte(`{"ignition": {}}`) }, "Bootstrap"},
		"host name with a dot":   {func(in *Input) { in.Hostname = "a.b" }, "Hostname"},
		"host name with a quote": {func(in *Input) { in.Hostname = "a'b" }, "Hostname"},
		"version without v":      {func(in *Input) { in.KubernetesVersion = "1.36.1" }, "KubernetesVersion"},
		"bootstrap mode":         {func(in *Input) { in.BootstrapMode = "magic" }, "BootstrapMode"},
		"provider ID prefix":     {func(in *Input) { in.ProviderIDPrefix = "oci" }, "ProviderIDPrefix"},
		"login server":           {func(in *Input) { in.Tailnet.LoginServer = "headscale" }, "Tailnet.LoginServer"},
		"login server's secret":  {func(in *Input) { in.Tailnet.LoginServer = "https://u:hunter2@h" }, "Tailnet.LoginServer"},
		"no key":                 {func(in *Input) { in.Tailnet.AuthKey = "" }, "Tailnet.AuthKey"},
		"key of two lines":       {func(in *Input) { in.Tailnet.AuthKey = testKey + "\nhunter2" }, "Tailnet.AuthKey"},
		"timeout":                {func(in *Input) { in.Tailnet.JoinTimeout = -1 }, "Tailnet.JoinTimeout"},
		"tailscale source":       {func(in *Input) { in.Tailscale.Source = "snap" }, "Tailscale.Source"},
		"tailscale version":      {func(in *Input) { in.Tailscale.Version = "latest" }, "Tailscale.Version"},
		"no archive":             {func(in *Input) { in.Tailscale.Source = TailscaleArchive }, "Tailscale.Archives"},
		"package mirror":         {func(in *Input) { in.Packages.KubernetesRepository = "file:///x" }, "Packages.KubernetesRepository"},
		"tailscale key":          {func(in *Input) { in.Tailscale.RepositoryKeys = []string{"2596A99E"} }, "Tailscale.RepositoryKeys"},
		"package key":            {func(in *Input) { in.Packages.KubernetesKeys = []string{"$(id)"} }, "Packages.KubernetesKeys"},
		"containerd's key":       {func(in *Input) { in.Packages.ContainerdKeys = []string{""} }, "Packages.ContainerdKeys"},
		"containerd's version":   {func(in *Input) { in.Packages.ContainerdVersion = "2" }, "Packages.ContainerdVersion"},
		"endpoint host":          {func(in *Input) { in.Endpoint.Host = "a b" }, "Endpoint.Host"},
		"endpoint port":          {func(in *Input) { in.Endpoint.Port = 70000 }, "Endpoint.Port"},
		"VIP outside its range":  {func(in *Input) { in.Endpoint.Host = "10.9.0.1" }, "Endpoint.VIPRange"},
		"pod network mode":       {func(in *Input) { in.PodNetwork.Mode = "BGP" }, "PodNetwork.Mode"},
		"MTU":                    {func(in *Input) { in.PodNetwork.MTU = 500 }, "PodNetwork.MTU"},
		"routes without CIDRs": {func(in *Input) {
			in.PodNetwork = PodNetwork{Mode: PodNetworkTailnetRoutes}
		}, "PodNetwork.PodCIDRs"},
		"volume device": {func(in *Input) {
			in.DataVolumes = []DataVolume{{Device: "/etc/passwd", FileSystem: "ext4", MountPath: "/data"}}
		}, "DataVolumes.Device"},
		"volume mounted with a space": {func(in *Input) {
			in.DataVolumes = []DataVolume{{Device: "/dev/sdb", FileSystem: "ext4", MountPath: "/my data"}}
		}, "DataVolumes.MountPath"},
		"volume used twice": {func(in *Input) {
			v := DataVolume{Device: "/dev/sdb", FileSystem: "ext4", MountPath: "/data"}
			in.DataVolumes = []DataVolume{v, v}
		}, "DataVolumes"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			tc.change(&in)

			_, err := Render(in)

			var refused *InvalidInputError
			g.Expect(errors.As(err, &refused)).To(BeTrue(), "%v", err)
			g.Expect(refused.Field).To(Equal(tc.field))
			g.Expect(err.Error()).NotTo(ContainSubstring("hunter2"))
			g.Expect(err.Error()).NotTo(ContainSubstring(testKey))
		})
	}
}

func TestANodeRefusesUserDataItCouldNotComeUpWith(t *testing.T) {
	good, err := nodeScript(controlPlaneInput().withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	in := controlPlaneInput().withDefaults()
	in.Tailnet.AuthKey = ""
	keyless, err := nodeScript(in)
	if err != nil {
		t.Fatal(err)
	}
	composed := func(bootstrap, script string) []byte {
		message, err := compose([]byte(bootstrap), []byte(script))
		if err != nil {
			t.Fatal(err)
		}
		return message
	}
	cases := map[string][]byte{
		"nothing":              nil,
		"bootstrap data alone": []byte(bootstrapInit),
		"no bootstrap part":    composed("", string(good)),
		"no node part":         composed(bootstrapInit, ""),
		"a script of another":  composed(bootstrapInit, "#!/bin/sh\ntrue\n"),
		"files cut short":      composed(bootstrapInit, string(good[:len(good)-200])),
		"no key":               composed(bootstrapInit, string(keyless)),
		"cut short":            composed(bootstrapInit, string(good))[:2000],
	}
	for name, message := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			userData, err := best.compress(message)
			g.Expect(err).NotTo(HaveOccurred())

			_, err = Parse(userData)

			g.Expect(err).To(MatchError(ErrMalformed))
			g.Expect(err.Error()).NotTo(ContainSubstring(testKey))
		})
	}
	t.Run("not compressed", func(t *testing.T) {
		_, err := Parse(composed(bootstrapInit, string(good)))
		NewWithT(t).Expect(err).To(MatchError(ErrMalformed))
	})
}

func FuzzRender(f *testing.F) {
	f.Add([]byte(bootstrapInit), "demo-cp-0", testKey, true)
	f.Add([]byte("#cloud-config\r\n\x00é"), "w", "k", false)
	f.Fuzz(func(t *testing.T, bootstrap []byte, hostname, key string, controlPlane bool) {
		in := controlPlaneInput()
		in.Bootstrap, in.Hostname, in.Tailnet.AuthKey, in.ControlPlane = bootstrap, hostname, Secret(key), controlPlane

		userData, err := Render(in)
		if err != nil {
			var refused *InvalidInputError
			if !errors.As(err, &refused) {
				t.Fatalf("an error without the field's name: %v", err)
			}
			return
		}
		parsed, err := Parse(userData)
		if err != nil {
			t.Fatalf("what Render wrote cannot be read: %v", err)
		}
		if !bytes.Equal(parsed.Bootstrap, bootstrap) || parsed.Hostname != hostname || string(parsed.AuthKey) != key || parsed.ControlPlane != controlPlane {
			t.Fatal("what was read is not what was written")
		}
	})
}

// FuzzParse feeds the message before compression, so the fuzzer reaches its content.
func FuzzParse(f *testing.F) {
	script, err := nodeScript(controlPlaneInput().withDefaults())
	if err != nil {
		f.Fatal(err)
	}
	message, err := compose([]byte(bootstrapInit), script)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message)
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b--"))
	f.Fuzz(func(t *testing.T, message []byte) {
		userData, err := best.compress(message)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(userData); err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("an error that is not ErrMalformed: %v", err)
		}
	})
}
