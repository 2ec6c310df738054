// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mirror stands in for the package repositories of a machine without preinstalled
// Kubernetes: pkgs.k8s.io, download.docker.com and pkgs.tailscale.com, for Debian bookworm on
// amd64. Paths, package names, versions and signatures are as there; the programs are those of
// hack/binaries.sh.
//
// Two things differ. cri-tools, a dependency of kubeadm there, is left out, for kubeadm does
// without it. And containerd.io brings a file in /etc/containerd/conf.d for hosts with cgroup v1
// and without CAP_SYS_RESOURCE.
//
// Beside them it has a mirror as users have their own, whose newest Kubernetes can be set.
package mirror

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
)

const (
	kubernetesHost = "pkgs.k8s.io"
	dockerHost     = "download.docker.com"
	tailscaleHost  = "pkgs.tailscale.com"
)

// Hosts are the names of the mirror. kit.CA's certificate has them.
var Hosts = []string{kubernetesHost, dockerHost, tailscaleHost}

// signScript makes a key and signs repositories with it.
//
//go:embed sign.sh
var signScript []byte

// recipe is part of the folder's name: raise it when the code below changes its output for the same
// programs.
const recipe = "2"

// builder builds a mirror.
type builder struct {
	root     string
	progress io.Writer
	// programs are paths by name, Kubernetes' by name@version.
	programs map[string]string
}

// Ensure returns the folder of the mirror in the cache of hack/binaries.sh, with a
// subfolder for each host, and builds it first when it is not there; that takes
// about half a minute beside the programs. root is the repository. Needs root,
// dpkg-deb and gpg.
func Ensure(ctx context.Context, root string, progress io.Writer) (string, error) {
	b := &builder{root: root, progress: progress, programs: map[string]string{}}
	if err := b.findPrograms(ctx); err != nil {
		return "", err
	}
	cache := filepath.Dir(filepath.Dir(b.programs["containerd"]))
	folder := filepath.Join(cache, "lab-mirror-"+b.key())
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	fmt.Fprintln(progress, "building the lab's package mirror ...")
	unfinished, err := os.MkdirTemp(cache, ".lab-mirror-")
	if err != nil {
		return "", fmt.Errorf("make a folder in the cache: %w", err)
	}
	if err := b.build(ctx, unfinished); err != nil {
		return "", errors.Join(fmt.Errorf("build the lab's package mirror: %w", err), os.RemoveAll(unfinished))
	}
	if err := os.Rename(unfinished, folder); err != nil {
		// Another process was faster.
		if _, statErr := os.Stat(folder); statErr == nil {
			return folder, os.RemoveAll(unfinished)
		}
		return "", fmt.Errorf("keep the lab's package mirror: %w", err)
	}
	return folder, nil
}

// Server serves the folder returned by Ensure, each host's part under its name. It is meant to be
// served over HTTPS with kit.CA's certificate.
type Server struct {
	hosts  map[string]http.Handler
	newest atomic.Pointer[string]
}

// NewServer serves everything that is in the folder.
func NewServer(folder string) *Server {
	s := &Server{hosts: map[string]http.Handler{}}
	for _, host := range Hosts {
		s.hosts[host] = http.FileServer(http.Dir(filepath.Join(folder, host)))
	}
	s.SetNewest(kit.NextVersion)
	return s
}

// SetNewest says which of kit.KubernetesVersions is the newest in the mirror of a user's own.
func (s *Server) SetNewest(version string) { s.newest.Store(&version) }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	server, ok := s.hosts[host]
	if !ok {
		http.Error(w, "the lab's mirror has no host "+host, http.StatusNotFound)
		return
	}
	if rest, own := strings.CutPrefix(r.URL.Path, ownPath); own && host == kubernetesHost {
		r = r.Clone(r.Context())
		r.URL.Path = ownPath + *s.newest.Load() + "/" + rest
		// Two of its states may have been made within a second.
		r.Header.Del("If-Modified-Since")
	}
	server.ServeHTTP(w, r)
}

// key is a digest over the mirror's inputs. The programs' paths have their versions in them.
func (b *builder) key() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n", recipe, signScript)
	for _, name := range sortedKeys(b.programs) {
		fmt.Fprintf(sum, "%s %s\n", name, b.programs[name])
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

// findPrograms has hack/binaries.sh build the packaged programs.
func (b *builder) findPrograms(ctx context.Context) error {
	shared := []string{
		"containerd", "containerd-shim-runc-v2", "ctr", "runc", "cni-bridge", "cni-host-local", "cni-loopback", "tailscale", "tailscaled",
	}
	if err := b.binaries(ctx, "", shared); err != nil {
		return err
	}
	for _, version := range kit.KubernetesVersions {
		if err := b.binaries(ctx, version, []string{"kubelet", "kubeadm", "kubectl"}); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) binaries(ctx context.Context, kubernetes string, names []string) error {
	command := exec.CommandContext(ctx, filepath.Join(b.root, "hack", "binaries.sh"), names...)
	command.Env = append(os.Environ(), "CAPOM_KUBERNETES_STAMP="+kubernetes)
	command.Stderr = b.progress
	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("build %s (hack/binaries.sh): %w", strings.Join(names, " "), err)
	}
	paths := strings.Fields(string(out))
	if len(paths) != len(names) {
		return fmt.Errorf("hack/binaries.sh printed %d paths for %d names", len(paths), len(names))
	}
	for i, name := range names {
		if kubernetes != "" {
			name += "@" + kubernetes
		}
		b.programs[name] = paths[i]
	}
	return nil
}

// build makes the packages and the repositories around them.
func (b *builder) build(ctx context.Context, folder string) error {
	// MkdirTemp's mode keeps everybody but root out.
	if err := os.Chmod(folder, 0o755); err != nil {
		return err
	}
	repositories, err := b.repositories(ctx)
	if err != nil {
		return err
	}
	own, err := b.own(ctx)
	if err != nil {
		return err
	}
	built := map[string]string{}
	write := func(all []repository) error {
		for _, r := range all {
			if err := r.write(ctx, filepath.Join(folder, r.host), built); err != nil {
				return fmt.Errorf("make the repository of %s: %w", r.host, err)
			}
		}
		return nil
	}
	if err := write(repositories); err != nil {
		return err
	}
	arguments := []string{"--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", string(signScript), "sign.sh", folder}
	for _, r := range repositories {
		arguments = append(arguments, filepath.Join(folder, r.host, r.keyFile))
	}
	if err := output(exec.CommandContext(ctx, "unshare", arguments...)); err != nil {
		return err
	}
	return write(own)
}

// output runs a command. Its output is part of the error only.
func output(command *exec.Cmd) error {
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(command.Path), err, strings.TrimSpace(string(out)))
	}
	return nil
}
