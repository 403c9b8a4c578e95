# Any image with Python 3.11+ and its venv module; the same one in both stages, since the venv points at it.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/smsbat-exporter && mkdir /state
COPY requirements/build.txt requirements/run.txt requirements/
RUN /opt/build/bin/pip install --require-hashes -r requirements/build.txt \
    && /opt/build/bin/pip --python /opt/smsbat-exporter install --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/build/bin/pip --python /opt/smsbat-exporter install --no-index --no-deps /dist/*.whl

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="smsbat-exporter" \
      org.opencontainers.image.description="Prometheus exporter that follows SMSBat messages to their end" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/smsbat-exporter /opt/smsbat-exporter
COPY --from=build --chown=65532:65532 /state /var/lib/smsbat-exporter
ENV PATH=/opt/smsbat-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SMSBAT_EXPORTER_REVISION=${REVISION} \
    SMSBAT_STORE_PATH=/var/lib/smsbat-exporter/state.db
USER 65532:65532
WORKDIR /var/lib/smsbat-exporter
VOLUME /var/lib/smsbat-exporter
EXPOSE 10767
STOPSIGNAL SIGTERM
ENTRYPOINT ["smsbat-exporter"]
