// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
)

// codename is Debian's release, the root file systems' of kit.
const codename = "bookworm"

// repository is an apt repository. All paths are below its host's folder.
type repository struct {
	host string
	// keyFile is the public key's, release the folder of Release, index the folder of
	// Packages and pool the packages' own.
	keyFile, release, index, pool string
	// base is the root of file names in Packages: the address in a sources.list line.
	base     string
	packages []debian
}

// repositories are laid out as the originals.
func (b *builder) repositories(ctx context.Context) ([]repository, error) {
	containerd, err := b.containerd(ctx)
	if err != nil {
		return nil, err
	}
	tailscale, err := b.tailscale(ctx)
	if err != nil {
		return nil, err
	}
	docker := repository{
		host: dockerHost, keyFile: "linux/debian/gpg", base: "linux/debian", release: "linux/debian/dists/" + codename,
		index: "linux/debian/dists/" + codename + "/stable/binary-" + architecture,
		pool:  "linux/debian/dists/" + codename + "/pool/stable/" + architecture, packages: []debian{containerd},
	}
	vpn := repository{
		host: tailscaleHost, keyFile: "stable/debian/" + codename + ".noarmor.gpg", base: "stable/debian", release: "stable/debian/dists/" + codename,
		index: "stable/debian/dists/" + codename + "/main/binary-" + architecture, pool: "stable/debian/pool", packages: []debian{tailscale},
	}
	all := []repository{docker, vpn}
	minors := map[string][]debian{}
	for _, version := range kit.KubernetesVersions {
		minor := version[:strings.LastIndex(version, ".")]
		minors[minor] = append(minors[minor], b.kubernetes(version)...)
	}
	for _, minor := range sortedKeys(minors) {
		// A flat repository: everything lies in one folder.
		base := "core:/stable:/" + minor + "/deb"
		all = append(all, repository{
			host: kubernetesHost, keyFile: base + "/Release.key", base: base, release: base, index: base, pool: base + "/" + architecture,
			packages: append(minors[minor], b.cni()),
		})
	}
	return all, nil
}

// write makes the repository, unsigned. built has the packages that are there already.
func (r repository) write(ctx context.Context, folder string, built map[string]string) error {
	var index strings.Builder
	for _, d := range r.packages {
		path := filepath.Join(folder, r.pool, d.fileName())
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := d.place(ctx, path, built); err != nil {
			return fmt.Errorf("build %s: %w", d.fileName(), err)
		}
		sum, size, err := digest(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(filepath.Join(folder, r.base), path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&index, "%sFilename: %s\nSize: %d\nSHA256: %s\n\n", d.control(), name, size, sum)
	}
	packages := filepath.Join(folder, r.index, "Packages")
	if err := writeFile(packages, strings.NewReader(index.String()), 0o644); err != nil {
		return err
	}
	sum, size, err := digest(packages)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(filepath.Join(folder, r.release), packages)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, r.release, "Release"), strings.NewReader(r.releaseText(name, size, sum)), 0o644)
}

// releaseText is the signed text. A repository with suites names its own.
func (r repository) releaseText(index string, size int64, sum string) string {
	text := fmt.Sprintf("Origin: CAPOM lab\nLabel: %s\n", r.host)
	if component := filepath.Dir(filepath.Dir(index)); component != "." {
		text += fmt.Sprintf("Suite: %s\nCodename: %s\nComponents: %s\n", codename, codename, component)
	}
	return text + fmt.Sprintf("Architectures: %s\nDate: %s\nSHA256:\n %s %d %s\n", architecture, time.Now().UTC().Format(time.RFC1123), sum, size, index)
}

// digest is a file's SHA-256 sum in hexadecimal and its size in bytes.
func digest(path string) (string, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	return hex.EncodeToString(sum.Sum(nil)), size, err
}
