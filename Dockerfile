# Builds a slim image with only the executable, for an unprivileged user and a read-only root:
#
#   scripts/compile x86_64-unknown-linux-gnu && docker build --tag empusa .
#   docker run --read-only --rm empusa --help
ARG TARGET=x86_64-unknown-linux-gnu

FROM debian:stable-slim
ARG TARGET
COPY dist/empusa-*-${TARGET}/empusa /usr/local/bin/empusa
USER 65532:65532
ENTRYPOINT ["empusa"]
CMD ["--help"]
