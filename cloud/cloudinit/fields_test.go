// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"errors"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// wholeInputs are inputs of which everything is said, with values that are no defaults. No one
// input can have all of them.
func wholeInputs() []Input {
	in := controlPlaneInput()
	in.HostnameOfInstance, in.BootstrapMode, in.ProviderIDPrefix = true, BootstrapInstall, "other://"
	in.Agent, in.OtherMetadata = true, map[string]string{"ssh_authorized_keys": "ssh-ed25519 AAAA"}
	in.Labels, in.ZonePrefix = map[string]string{"example.org/of": "alice"}, "alice-"
	in.Tailnet.LoginServer, in.Tailnet.JoinTimeout = "https://headscale.example.org", time.Minute
	in.Tailscale.Repository, in.Tailscale.RepositoryKeys = "https://mirror.example/tailscale", []string{strings.Repeat("A", 40)}
	in.Packages = Packages{
		KubernetesRepository: "https://mirror.example/kubernetes", KubernetesKeys: []string{strings.Repeat("B", 40)},
		ContainerdRepository: "https://mirror.example/containerd", ContainerdKeys: []string{strings.Repeat("C", 40)},
		ContainerdVersion: "2.1.0",
	}
	in.Endpoint.Port = 7443
	in.PodNetwork.Mode, in.PodNetwork.MTU, in.PodNetwork.NodeCIDRMaskSize = PodNetworkTailnetRoutes, 1300, 25
	in.VCNCIDRs = []netip.Prefix{netip.MustParsePrefix("10.7.0.0/16")}
	in.DataVolumes = []DataVolume{{Device: "/dev/oracleoci/oraclevdb", FileSystem: "ext4", MountPath: "/var/lib/data"}}
	archive := in
	archive.Tailscale.Source = TailscaleArchive
	archive.Tailscale.Archives = map[string]Archive{"amd64": {URL: "https://mirror.example/amd64.tgz", SHA256: strings.Repeat("a", 64)}}
	return []Input{in, archive}
}

// otherwise are values for the fields that cannot be left empty.
var otherwise = map[string]any{
	"Bootstrap": []byte("#cloud-config\nruncmd: []\n"), "Hostname": "other", "KubernetesVersion": "v1.36.2",
	"Tailnet.AuthKey": Secret("tskey-auth-kOTHER"), "Tailscale.Version": "1.102.4",
	"Tailscale.Archives.URL": "https://mirror.example/other.tgz", "Tailscale.Archives.SHA256": strings.Repeat("c", 64),
	"Endpoint.Host": "10.250.0.2", "Endpoint.VIPRange": netip.MustParsePrefix("10.250.0.0/17"),
	"PodNetwork.PodCIDRs": []netip.Prefix{netip.MustParsePrefix("10.243.0.0/16")},
	"Without":             []Agent{MembersAgent},
	"DataVolumes.Device":  "/dev/oracleoci/oraclevdc", "DataVolumes.FileSystem": "xfs", "DataVolumes.MountPath": "/var/lib/other",
}

// without effect are the fields that change no node, with reasons.
var withoutEffect = map[string]string{
	"BootstrapFormat": "empty and cloud-config mean the same, and all others are refused",
	"OtherMetadata":   "decides how well the user data has to be compressed, and whether it fits",
}

// unchecked are the fields of which every value is right, with reasons.
var unchecked = map[string]string{
	"HostnameOfInstance": "yes or no", "ControlPlane": "yes or no", "Endpoint.VIP": "yes or no", "Agent": "yes or no",
	"Without": "an agent that there is not is not there", "OtherMetadata": "OCI's to refuse",
}

func TestEveryFieldOfTheInputReachesTheNode(t *testing.T) {
	g := NewWithT(t)
	for _, path := range pathsOf(wholeInputs()) {
		changed := false
		for i, in := range wholeInputs() {
			before, err := Render(in)
			g.Expect(err).NotTo(HaveOccurred())
			eachField(reflect.ValueOf(&in).Elem(), "", func(at string, value reflect.Value) {
				if at != path {
					return
				}
				value.SetZero()
				if other, has := otherwise[at]; has {
					value.Set(reflect.ValueOf(other))
				}
			})
			after, err := Render(in)
			if i == 0 || otherwise[path] == nil {
				g.Expect(err).NotTo(HaveOccurred(), "%s cannot be empty: give another value for it in otherwise", path)
			}
			changed = changed || err == nil && !reflect.DeepEqual(before, after)
		}
		g.Expect(changed).NotTo(Equal(withoutEffect[path] != ""), "%s changes what nodes get, or is listed with the reason", path)
	}
}

func TestEveryFieldOfTheInputIsValidatedOrListed(t *testing.T) {
	g := NewWithT(t)
	inBrackets := regexp.MustCompile(`\[[^]]*\]`)
	for _, path := range pathsOf(wholeInputs()) {
		refused := false
		for _, in := range wholeInputs() {
			eachField(reflect.ValueOf(&in).Elem(), "", func(at string, value reflect.Value) {
				if at == path {
					spoil(t, value)
				}
			})
			_, err := Render(in)
			refused = refused || err != nil
			var invalid *InvalidInputError
			if errors.As(err, &invalid) {
				g.Expect(path).To(HavePrefix(inBrackets.ReplaceAllString(invalid.Field, "")), "the error names the field")
			}
		}
		g.Expect(refused).NotTo(Equal(unchecked[path] != ""), "%s refuses what no node could use, or is listed with the reason", path)
	}
}

// pathsOf are the fields that the inputs have.
func pathsOf(inputs []Input) []string {
	var paths []string
	seen := map[string]bool{}
	for _, in := range inputs {
		eachField(reflect.ValueOf(&in).Elem(), "", func(path string, _ reflect.Value) {
			if !seen[path] {
				paths, seen[path] = append(paths, path), true
			}
		})
	}
	return paths
}

// eachField calls do with every field that is no struct of this package's, nor a list or map of
// those: theirs are called instead, of each element. What do sets, is set.
func eachField(value reflect.Value, path string, do func(path string, value reflect.Value)) {
	ours := func(of reflect.Type) bool {
		return of.Kind() == reflect.Struct && of.PkgPath() == reflect.TypeFor[Input]().PkgPath()
	}
	switch {
	case ours(value.Type()):
		for i := range value.NumField() {
			eachField(value.Field(i), strings.TrimPrefix(path+"."+value.Type().Field(i).Name, "."), do)
		}
	case value.Kind() == reflect.Slice && ours(value.Type().Elem()):
		elements := reflect.MakeSlice(value.Type(), value.Len(), value.Len())
		reflect.Copy(elements, value)
		for i := range elements.Len() {
			eachField(elements.Index(i), path, do)
		}
		value.Set(elements)
	case value.Kind() == reflect.Map && ours(value.Type().Elem()):
		elements := reflect.MakeMap(value.Type())
		for _, key := range value.MapKeys() {
			element := reflect.New(value.Type().Elem()).Elem()
			element.Set(value.MapIndex(key))
			eachField(element, path, do)
			elements.SetMapIndex(key, element)
		}
		value.Set(elements)
	default:
		do(path, value)
	}
}

// spoil sets a value to one that no node could use.
func spoil(t *testing.T, value reflect.Value) {
	t.Helper()
	const text = "a'b\n$(id)\""
	switch value.Interface().(type) {
	case []byte:
		value.SetBytes([]byte(text))
	case []string:
		value.Set(reflect.ValueOf([]string{text}))
	case map[string]string:
		value.Set(reflect.ValueOf(map[string]string{text: text}))
	case []Agent:
		value.Set(reflect.ValueOf([]Agent{text}))
	case netip.Prefix:
		value.SetZero()
	case []netip.Prefix:
		value.Set(reflect.ValueOf([]netip.Prefix{{}}))
	default:
		switch value.Kind() {
		case reflect.String:
			value.SetString(text)
		case reflect.Int, reflect.Int64:
			value.SetInt(-1)
		case reflect.Bool:
			value.SetBool(!value.Bool())
		default:
			t.Fatalf("a field of type %s is not known to this test", value.Type())
		}
	}
}
