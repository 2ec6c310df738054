# syntax=docker/dockerfile:1

# Go cross-compiles, so the builder runs on the machine's own platform for every target.
# Its Go is the toolchain of go.mod; make verify-toolchain compares them.
FROM --platform=$BUILDPLATFORM golang:1.27.3-bookworm AS builder
WORKDIR /workspace

COPY go.mod go.sum ./
COPY api/go.mod api/go.sum api/
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download

COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
    go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /manager .

FROM gcr.io/distroless/static:nonroot
LABEL org.opencontainers.image.source=https://github.com/ocimesh/cluster-api-provider-ocimesh \
      org.opencontainers.image.licenses=Apache-2.0
COPY --from=builder /manager /manager
# The numeric id of "nonroot": Kubernetes checks runAsNonRoot by number.
USER 65532:65532
ENTRYPOINT ["/manager"]
