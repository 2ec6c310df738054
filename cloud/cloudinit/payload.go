// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// Paths of the generated files inside the payload, relative to the node's root.
const (
	nodeEnvPath = "etc/capom/node.env"
	volumesPath = "etc/capom/volumes"
	// authKeyPath lies in a tmpfs: the key is never in the file system, and a reboot forgets it.
	authKeyPath = "run/capom/join/auth-key"
)

const (
	scriptsDir     = "usr/local/sbin"
	libraryDir     = "usr/local/lib/capom"
	entryScript    = "node/entry.sh"
	payloadMarker  = "__CAPOM_PAYLOAD__"
	base64LineSize = 76
	maxPayload     = 4 << 20
)

// nodeFiles are the scripts and units as they lie in the repository.
//
//go:embed node
var nodeFiles embed.FS

// file is one entry of the payload.
type file struct {
	path    string
	mode    int64
	content []byte
}

// installPath says where an embedded file goes: node/bin to the scripts, node/lib beside them,
// node/etc to /etc.
func installPath(embedded string) (target string, mode int64) {
	dir, rest, _ := strings.Cut(strings.TrimPrefix(embedded, "node/"), "/")
	switch dir {
	case "bin":
		return path.Join(scriptsDir, strings.TrimSuffix(rest, ".sh")), 0o755
	case "lib":
		return path.Join(libraryDir, rest), 0o644
	case "etc":
		return path.Join("etc", rest), 0o644
	}
	return "", 0
}

// machineFiles are the files that differ between machines.
func machineFiles(in Input) []file {
	return []file{
		{path: nodeEnvPath, mode: 0o600, content: marshalEnv(nodeSettings(in))},
		{path: volumesPath, mode: 0o644, content: volumeTable(in.DataVolumes)},
		{path: authKeyPath, mode: 0o600, content: []byte(in.Tailnet.AuthKey)},
	}
}

// packedScripts are the files common to all machines, packed once: compressing them takes most of
// the time of a rendering.
var packedScripts = sync.OnceValues(func() ([]byte, error) {
	files, err := scripts()
	if err != nil {
		return nil, fmt.Errorf("reading the embedded node files: %w", err)
	}
	return pack(files, false)
})

func scripts() (files []file, err error) {
	err = fs.WalkDir(nodeFiles, "node", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		target, mode := installPath(name)
		if target == "" {
			return nil
		}
		content, err := nodeFiles.ReadFile(name)
		files = append(files, file{path: target, mode: mode, content: stripComments(content)})
		return err
	})
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return files, err
}

// stripComments drops comment-only lines, except the "#!" line, and the tabs that lines begin with:
// user data has 32,000 bytes, and both are for readers of the repository. No script may rely on
// them, in a here-document for instance.
func stripComments(content []byte) []byte {
	var out strings.Builder
	for line := range strings.Lines(string(content)) {
		line = strings.TrimLeft(line, "\t")
		trimmed := strings.TrimSpace(line)
		comment := strings.HasPrefix(trimmed, "#") && !strings.HasPrefix(line, "#!")
		if !comment && trimmed != "" {
			out.WriteString(line)
		}
	}
	return []byte(out.String())
}

// nodeScript is the shell script run by cloud-init: the entry script, a marker line, and the files
// as a tar archive in base64. Equal input gives equal bytes: entries are in an order and carry no
// times or owners.
func nodeScript(in Input) ([]byte, error) {
	entry, err := nodeFiles.ReadFile(entryScript)
	if err != nil {
		return nil, fmt.Errorf("reading the embedded entry script: %w", err)
	}
	common, err := packedScripts()
	if err != nil {
		return nil, fmt.Errorf("packing the node files: %w", err)
	}
	own, err := pack(machineFiles(in), true)
	if err != nil {
		return nil, fmt.Errorf("packing the machine's files: %w", err)
	}
	// gzip takes streams in a row for one (RFC 1952, section 2.2).
	packed := slices.Concat(common, own)
	var out bytes.Buffer
	out.Write(stripComments(entry))
	out.WriteString(payloadMarker + "\n")
	encoded := base64.StdEncoding.EncodeToString(packed)
	for chunk := range slices.Chunk([]byte(encoded), base64LineSize) {
		out.Write(chunk)
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

// pack makes a tar archive, or the beginning of one continued by another, and compresses it.
func pack(files []file, whole bool) ([]byte, error) {
	var archive bytes.Buffer
	out := tar.NewWriter(&archive)
	for _, f := range files {
		header := &tar.Header{Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.content))}
		if err := out.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := out.Write(f.content); err != nil {
			return nil, err
		}
	}
	end := out.Flush
	if whole {
		end = out.Close
	}
	if err := end(); err != nil {
		return nil, err
	}
	return compress(archive.Bytes())
}

func unpack(packed []byte) (map[string][]byte, error) {
	archive, err := decompress(packed)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for in := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, malformed("the node script's archive: %v", err)
		}
		if files[header.Name], err = io.ReadAll(in); err != nil {
			return nil, malformed("the node script's archive: %v", err)
		}
	}
}

// compressors are kept, since each takes most of a megabyte, and every launch needs several.
var compressors = sync.Pool{New: func() any {
	// The level is valid, so there is no error.
	writer, _ := gzip.NewWriterLevel(nil, gzip.BestCompression)
	return writer
}}

func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	writer := compressors.Get().(*gzip.Writer)
	defer compressors.Put(writer)
	writer.Reset(&out)
	if _, err := writer.Write(data); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func decompress(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, malformed("not gzip: %v", err)
	}
	plain, err := io.ReadAll(io.LimitReader(reader, maxPayload+1))
	if err != nil {
		return nil, malformed("gzip: %v", err)
	}
	if len(plain) > maxPayload {
		return nil, malformed("more than %d bytes when uncompressed", maxPayload)
	}
	return plain, nil
}
