# Copyright The CAPOM Authors.
# SPDX-License-Identifier: Apache-2.0

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# VERSION is the release that release-manifests writes and that binaries report.
VERSION ?= v0.1.0
IMAGE ?= ghcr.io/ocimesh/cluster-api-provider-ocimesh
TAG ?= $(VERSION)
PLATFORMS ?= linux/amd64,linux/arm64
# DOCKERFLAGS go to docker buildx build.
DOCKERFLAGS ?=
OUT ?= out
FUZZTIME ?= 20s
# TESTS narrows "make test", for example TESTS=./cloud/... ; TESTFLAGS goes to go test.
TESTS ?= ./...
# SUITES narrows "make test-suites", for example SUITES=./move
SUITES ?= ./...
# go test takes packages in the order given: the long ones first, or the last runs alone at the end.
LONG_TESTS := $(if $(filter ./...,$(TESTS)),./controllers/machine ./controllers/cluster ./exp/controllers/machinepool ./cloud/cloudinit)
LONG_SUITES := $(if $(filter ./...,$(SUITES)),./upkeep ./move ./deployment)
TESTFLAGS ?=
# Suites tested at a time: half as many again as there are cores, since they wait a third of
# their time or more.
TESTPROCS ?= $(shell n=$$(nproc); echo $$((n + (n + 1) / 2)))

BINARIES := hack/binaries.sh
# Every target builds with the toolchain that go.mod names, whatever Go is installed.
export GOTOOLCHAIN := $(shell hack/toolchain.sh)
# Without a checkout's path in them, what was built in one checkout serves the others.
export GOFLAGS := $(filter-out -trimpath,$(GOFLAGS)) -trimpath
# Nor with C, which the race detector alone needs: tests, linters and the demo share what was
# compiled for Cluster API's managers, the API server and etcd, the standard library above all.
export CGO_ENABLED := 0
# golangci-lint keeps findings with the paths of the checkout they were made in; shared by two
# checkouts they are misjudged.
export GOLANGCI_LINT_CACHE := $(CURDIR)/$(OUT)/lint-cache
LDFLAGS := -s -w -X main.version=$(VERSION)

##@ General

.PHONY: help
help: ## Show this help
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: clean
clean: ## Remove what the other targets wrote into the repository (the cache of built tools stays)
	rm -rf bin $(OUT)

##@ Build

.PHONY: build
build: ## Build the manager into bin/
	go build -ldflags '$(LDFLAGS)' -o bin/manager .

.PHONY: binaries
binaries: ## Get the programs that tests and the demo run into the cache; only the first time takes minutes
	$(BINARIES) envtest clusterctl capi-core capi-kubeadm-bootstrap capi-kubeadm-control-plane kustomize

.PHONY: docker-build
docker-build: ## Build the image for amd64 and arm64; PUSH=1 pushes it
	docker buildx build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) --tag $(IMAGE):$(TAG) $(if $(PUSH),--push) $(DOCKERFLAGS) .

.PHONY: release-manifests
release-manifests: ## Write components, templates and metadata as a clusterctl repository into out/release
	hack/release-manifests.sh $(VERSION) $(IMAGE):$(TAG) $(OUT)/release

##@ Generate

.PHONY: generate
generate: generate-go generate-manifests generate-templates generate-docs ## Generate code, manifests, templates and the API reference

.PHONY: generate-go
generate-go: ## Generate deepcopy functions
	gen=$$($(BINARIES) controller-gen); \
	(cd api && $$gen object:headerFile=../hack/boilerplate.go.txt paths=./...)

.PHONY: generate-manifests
generate-manifests: ## Generate CRDs, RBAC and webhook configurations from the markers in the code
	gen=$$($(BINARIES) controller-gen); \
	(cd api && $$gen crd:crdVersions=v1 paths=./... output:crd:dir=../config/crd/bases); \
	$$gen rbac:roleName=manager-role paths=. paths=./controllers/... paths=./exp/... paths=./internal/webhooks/... output:rbac:dir=config/rbac; \
	$$gen webhook paths=./internal/webhooks/... output:webhook:dir=config/webhook

.PHONY: generate-templates
generate-templates: ## Generate the cluster templates from their parts in templates/src
	hack/templates.sh

.PHONY: generate-docs
generate-docs: ## Generate the API reference
	@mkdir -p docs/reference
	gen=$$($(BINARIES) crd-ref-docs); \
	$$gen --config=hack/api-reference.yaml --renderer=markdown --source-path=api/v1alpha1 --output-path=docs/reference/api.md; \
	$$gen --config=hack/exp-api-reference.yaml --renderer=markdown --source-path=api/exp/v1alpha1 --output-path=docs/reference/exp-api.md

##@ Check

.PHONY: test
test: ## Build, vet and test everything: the product with the race detector, then the suites in test/
	hack/ensure-packages.sh gcc curl shellcheck cloud-init nft unshare ip gpg losetup mkfs.ext4 mkfs.xfs setpriv
	for module in . api test; do go -C $$module build ./...; go -C $$module vet ./...; done
	assets=$$($(BINARIES) envtest); $(BINARIES) clusterctl kustomize capi-core capi-kubeadm-bootstrap capi-kubeadm-control-plane; \
	KUBEBUILDER_ASSETS=$$assets CGO_ENABLED=1 go test -race -timeout 20m $(TESTFLAGS) $(LONG_TESTS) $(TESTS)
	$(if $(filter ./...,$(TESTS)),$(MAKE) --no-print-directory test-lives test-suites test-policy)

# The tests that helpers.WithoutRaceDetector names; the packages are those that call it.
CRASHTESTS := ^(TestAProcessKilled|TestAnAnswerLost)

.PHONY: test-lives
test-lives: ## Test lives in which a process is killed or an answer lost, without the race detector; part of "make test"
	assets=$$($(BINARIES) envtest); \
	packages=$$(git grep -lE 'WithoutRaceDetector\(|KillEverywhere\(' -- 'controllers/*_test.go' 'exp/*_test.go' | xargs dirname | sort -u); \
	KUBEBUILDER_ASSETS=$$assets go test -p $(TESTPROCS) -timeout 20m -run '$(CRASHTESTS)' $(TESTFLAGS) $$(printf './%s ' $$packages)

# The suites drive processes, whose races the detector in the suite would not see. Go's test cache
# does not see that files outside of their module have changed: -count=1 does without it.
.PHONY: test-suites
test-suites: ## Test with the suites in test/: manifests, templates, moves, documentation; part of "make test"
	assets=$$($(BINARIES) envtest); $(BINARIES) clusterctl kustomize capi-core capi-kubeadm-bootstrap capi-kubeadm-control-plane; \
	KUBEBUILDER_ASSETS=$$assets go -C test test -count=1 -p $(TESTPROCS) -timeout 20m $(TESTFLAGS) $(LONG_SUITES) $(SUITES)
	$(if $(filter ./...,$(SUITES)),go -C test/promql test -count=1 $(TESTFLAGS) ./...)

.PHONY: test-policy
test-policy: ## Test the tailnet policies of docs/policies with Tailscale's and Headscale's code; part of "make test"
	for modfile in go.mod headscale-0.28.mod; do echo "go test: test/policy/$$modfile"; go -C test/policy test -modfile=$$modfile $(TESTFLAGS) ./...; done

.PHONY: test-crashes
test-crashes: ## Kill the processes of the crash tests at every write, not only the first of each kind; about an hour
	assets=$$($(BINARIES) envtest); \
	CAPOM_KILL_AT=every KUBEBUILDER_ASSETS=$$assets go test -timeout 3h -run 'TestAProcessKilled' ./controllers/... ./exp/controllers/...

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (20s)
	hack/fuzz.sh $(FUZZTIME)

.PHONY: lint
lint: lint-go lint-api lint-width lint-workflows ## Lint the code, the API, the GitHub workflows and the width of prose

.PHONY: lint-go
lint-go: ## Lint the code; "Who may import whom" is in .golangci.yml
	lint=$$($(BINARIES) golangci-lint); \
	for module in . api test; do (cd $$module && $$lint run --config $(CURDIR)/.golangci.yml ./...); done

.PHONY: lint-api
lint-api: ## Lint the API types with kube-api-linter
	lint=$$($(BINARIES) golangci-lint); \
	cd api && $$lint run --config ../.golangci-kal.yml ./...

.PHONY: lint-width
lint-width: ## Fail when comments or Markdown are wider than 100 columns
	hack/lint-width.sh

.PHONY: lint-workflows
lint-workflows: ## Lint the GitHub workflows with actionlint, and their scripts with shellcheck
	hack/ensure-packages.sh shellcheck
	lint=$$($(BINARIES) actionlint); \
	$$lint -pyflakes= .github/workflows/*.yml

.PHONY: verify
verify: verify-generated verify-toolchain verify-modules verify-vulnerabilities verify-scripts verify-headers verify-release ## Check that generated files, modules, scripts, headers and the release are in order

.PHONY: verify-generated
verify-generated: ## Fail when "make generate" would change something
	hack/verify-generated.sh

.PHONY: verify-toolchain
verify-toolchain: ## Fail when a module or the image has another Go toolchain than go.mod
	hack/verify-toolchain.sh

.PHONY: verify-modules
verify-modules: ## Fail when "go mod tidy" would change a go.mod or go.sum
	for module in $$(git ls-files -- go.mod '*/go.mod' | xargs dirname); do echo "go mod tidy: $$module"; go -C $$module mod tidy -diff; done
	go -C test/policy mod tidy -modfile=headscale-0.28.mod -diff

.PHONY: verify-vulnerabilities
verify-vulnerabilities: ## Fail when the code reaches a known vulnerability
	hack/verify-vulnerabilities.sh

.PHONY: verify-scripts
verify-scripts: ## Run shellcheck over every script
	hack/ensure-packages.sh shellcheck
	hack/verify-scripts.sh

.PHONY: verify-headers
verify-headers: ## Fail when a file lacks the licence header
	hack/verify-headers.sh

.PHONY: verify-release
verify-release: ## Fail when the release, or its notes, cannot be written
	hack/release-notes.sh $(VERSION)
	hack/release-manifests.sh $(VERSION) $(IMAGE):$(TAG) $(OUT)/verify

##@ Demo

.PHONY: demo
demo: ## Make a cluster over simulated Always Free accounts, change it and delete it; KEEP=1 leaves it up
	@# Builds that have nothing in common but the standard library run beside each other: one that
	@# links, or downloads, leaves a core to the other.
	hack/tick.sh "building the standard library" go build std
	$(BINARIES) envtest >/dev/null & servers=$$!; \
	trap 'kill $$servers 2>/dev/null || true' EXIT; \
	hack/tick.sh "building the demo" go -C test build -o ../bin/ ./demo; \
	$(BINARIES) kustomize clusterctl capi-core capi-kubeadm-bootstrap capi-kubeadm-control-plane >/dev/null; \
	wait $$servers; trap - EXIT; \
	assets=$$($(BINARIES) envtest); \
	KUBEBUILDER_ASSETS=$$assets KEEP=$(KEEP) bin/demo

##@ Benchmarks

.PHONY: bench-fleet
bench-fleet: ## Measure 100 and 1,000 machines in simulated accounts, about 20 minutes; SIZES=100,1000,10000 for more
	assets=$$($(BINARIES) envtest); \
	go -C test build -o ../bin/ ./bench/fleet; \
	KUBEBUILDER_ASSETS=$$assets bin/fleet

.PHONY: bench-life
bench-life: ## Measure one cluster's life, phase by phase, about 15 minutes; FORMAT=json is for programs
	assets=$$($(BINARIES) envtest); \
	go -C test build -o ../bin/ ./bench/life; \
	KUBEBUILDER_ASSETS=$$assets FORMAT=$(FORMAT) bin/life

##@ Lab

# Labs with a cluster that are tested at a time; each has three to five machines, which keep one
# core busy, and two while they boot.
LABS ?= 1

LAB_PACKAGES := gcc libseccomp debootstrap systemd-nspawn dpkg-deb gpg unshare ip nft conntrack \
	losetup mkfs.ext4 sfdisk sysctl

.PHONY: lab
lab: lab-assets ## Make a cluster of real machines over three simulated accounts (as root); KEEP=1 leaves it up
	assets=$$($(BINARIES) envtest); \
	go -C test build -o ../bin/ ./lab/cmd/lab; \
	KUBEBUILDER_ASSETS=$$assets KEEP=$(KEEP) bin/lab

.PHONY: test-lab
test-lab: lab-assets ## Test on booted machines (as root); LABTESTS=regexp narrows it, LABS=2 has two clusters at a time
	go -C test/coordination test ./...
	assets=$$($(BINARIES) envtest); \
	KUBEBUILDER_ASSETS=$$assets go -C test test -tags lab -count 1 -p 1 -parallel $(LABS) -v -timeout 60m -run '$(LABTESTS)' ./lab/...

.PHONY: test-outages
test-outages: lab-assets ## Test on booted machines without coordination server, relay and managers (as root), about 20 minutes
	assets=$$($(BINARIES) envtest); \
	KUBEBUILDER_ASSETS=$$assets go -C test test -tags lab,outages -count 1 -v -timeout 60m -run TestAClusterWithoutItsServers ./lab/cluster

.PHONY: test-cilium
test-cilium: lab-assets ## Test Cilium, Hubble and the metrics of a cluster of booted machines in both modes, and draw dashboards (as root)
	assets=$$($(BINARIES) envtest); \
	go -C test/promql build -o ../../out/test-lab/programs/promql .; \
	KUBEBUILDER_ASSETS=$$assets go -C test test -tags lab,cilium -count 1 -parallel 1 -v -timeout 60m -run TestCilium ./lab/cluster

.PHONY: bench-lab
bench-lab: lab-assets ## Measure boots, failovers, the pod network and a patch in place on booted machines (as root); RUNS=10 PARTS=upgrade
	assets=$$($(BINARIES) envtest); \
	go -C test build -o ../bin/ ./lab/cmd/bench; \
	KUBEBUILDER_ASSETS=$$assets RUNS=$(RUNS) PARTS=$(PARTS) bin/bench

.PHONY: lab-root
lab-root:
	@[[ $$(id -u) == 0 ]] || { echo "The lab boots machines and makes networks: run it as root." >&2; exit 1; }

.PHONY: lab-assets
lab-assets: lab-check ## Build what the lab's machines are made of into the cache (as root); the first time takes three quarters of an hour
	go -C test build -o ../bin/ ./lab/cmd/assets
	bin/assets

.PHONY: lab-check
lab-check: lab-root ## Say whether this machine can run the lab, and what it lacks
	hack/ensure-packages.sh $(LAB_PACKAGES)
	go -C test run ./lab/cmd/check

.PHONY: lab-clean
lab-clean: ## Remove what a lab left behind that was killed (as root)
	go -C test run ./lab/cmd/clean
