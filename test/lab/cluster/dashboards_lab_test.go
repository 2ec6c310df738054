// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab && cilium

package cluster_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/scrape"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// recordsMost is longer than a test of the lab may take.
const recordsMost = time.Hour

// recording is a Prometheus on a worker that scrapes until its input ends, and draws then.
type recording struct {
	program        *exec.Cmd
	input          io.WriteCloser
	stdout, stderr bytes.Buffer
}

// record installs what the fleet's chart has of ours, and has a Prometheus record what the
// cluster's dashboards show, beyond this stage to the end of the whole test.
func (s *suite) record(whole *testing.T) *recording {
	workload := s.workload()
	s.installMonitoring(workload)
	task, err := scrape.Drawing(programs.Root, s.scrapes(workload, whole.TempDir()), recordsMost,
		filepath.Join(programs.Root, "out", "test-lab", "dashboards"), scrape.ClustersDashboards...)
	s.Expect(err).NotTo(HaveOccurred())

	r := &recording{program: s.promqlOn(whole.Context(), s.machines(watch.Worker)[0], "draw")}
	r.program.Stdout, r.program.Stderr = &r.stdout, &r.stderr
	r.input, err = r.program.StdinPipe()
	s.Expect(err).NotTo(HaveOccurred())
	// A test that fails ends it in the same way, and there are pictures of what went before.
	r.program.Cancel = r.input.Close
	s.Expect(r.program.Start()).To(Succeed())
	_, err = r.input.Write(task)
	s.Expect(err).NotTo(HaveOccurred())
	return r
}

// dashboardsDrawn ends a recording, and expects data in each panel that can have some here.
func (s *suite) dashboardsDrawn(r *recording) {
	s.Expect(r).NotTo(BeNil(), "nothing was recorded: have the stage run that installs monitoring")
	s.Expect(r.input.Close()).To(Succeed())
	s.Expect(r.program.Wait()).To(Succeed(), r.stderr.String)
	empty, err := scrape.Undrawn(programs.Root, r.stdout.Bytes(), scrape.ClustersDashboards...)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(slices.DeleteFunc(empty, notInLab)).To(BeEmpty(), "these panels have no data")
	fmt.Fprintln(os.Stderr, "dashboards were drawn in out/test-lab/dashboards")
	s.Expect(s.workload().Delete(s.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: monitoring}})).To(Succeed())
}
