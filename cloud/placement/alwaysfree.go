// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

// AlwaysFree is what Oracle gives each tenancy for good: Ampere A1 with 2 OCPUs and 12 GB in all,
// two E2.1.Micro, and 200 GB of boot and block volumes together. Oracle changes the figures: these
// are as of 2026-11-25, since A1 went down from 4 OCPUs and 24 GB on 2026-06-15. Oracle's own page
// is https://docs.oracle.com/en-us/iaas/Content/FreeTier/freetier_topic-Always_Free_Resources.htm;
// the change was read at https://gizevo.com/archives/926.html and in the warning at the top of
// https://gist.github.com/rssnyder/51e3cfedd730e7dd5f4a816143b25dbd, which quotes that page, and
// not on the page itself.
func AlwaysFree() Budget {
	figure := func(n int64) *int64 { return &n }
	return Budget{
		Families: map[string]Bound{
			"Standard.A1":       {OCPUs: figure(2), MemoryGB: figure(12)},
			"Standard.E2.Micro": {Instances: figure(2)},
		},
		VolumeGB: figure(200),
		Free:     true,
	}
}
