// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tailnetnode is a machine's part on a tailnet, for machines and the machines of pools
// alike: its key and the Secret with it, its device, what keeps that from talking to others, its
// routes, when it joins and how it leaves. Whose a key or a device is, is decided in package
// ownership; the reasons are in docs/decisions/0018-secrets.md and 0020-proof-on-the-tailnet.md.
package tailnetnode
