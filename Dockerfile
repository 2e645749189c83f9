# The released program alone: docker run --rm -v "$PWD:/work" ghcr.io/petrify-ml/petrify check model.onnx
# By hand: CGO_ENABLED=0 GOOS=linux go build -trimpath -o linux/amd64/petrify ./cmd/petrify && docker build -t petrify .
FROM scratch
ARG TARGETPLATFORM=linux/amd64
COPY LICENSE NOTICE THIRD_PARTY_LICENSES /
COPY $TARGETPLATFORM/petrify /usr/bin/petrify
# A scratch image has no /tmp; the files that petrify writes beside a target need none, runtimes in a child process do.
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["/usr/bin/petrify"]
CMD ["--help"]
