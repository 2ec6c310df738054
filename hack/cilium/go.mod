module github.com/ocimesh/cluster-api-provider-ocimesh/hack/cilium

go 1.26.0

toolchain go1.27.3

require github.com/cilium/cilium v1.20.2
