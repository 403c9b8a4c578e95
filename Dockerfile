# Any image of a Linux with glibc that has Python 3.11+ and its venv module: what runs is copied out of it (gather.py),
# so the result has no shell, no package manager and nothing else that the exporter does not use.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/smsbat-exporter && mkdir /state /root-fs
COPY requirements/build.txt requirements/run.txt requirements/
RUN /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt \
    && /opt/build/bin/pip --python /opt/smsbat-exporter install --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/build/bin/pip --python /opt/smsbat-exporter install --no-index --no-deps /dist/*.whl
COPY deploy/image/gather.py ./
RUN /opt/smsbat-exporter/bin/python gather.py /root-fs

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="smsbat-exporter" \
      org.opencontainers.image.description="Prometheus exporter that follows SMSBat messages to their end" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /root-fs /
COPY --from=build --chown=65532:65532 /state /var/lib/smsbat-exporter
ENV PATH=/opt/smsbat-exporter/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    SMSBAT_EXPORTER_REVISION=${REVISION} \
    SMSBAT_STORE_PATH=/var/lib/smsbat-exporter/state.db
USER 65532:65532
WORKDIR /var/lib/smsbat-exporter
VOLUME /var/lib/smsbat-exporter
EXPOSE 10767 10768 10769
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["smsbat-exporter", "health"]
ENTRYPOINT ["smsbat-exporter"]
