# The images of Studio Databases: a target for each service and one for the gateway. docs/docker.md says how they are run.
#
#   docker build --target redis_svc --tag studio-databases/redis_svc .
#
# Nothing is downloaded but the base image, the wheels that deploy/docker/requirements/ names with their hashes, and the
# packages of package-lock.json. deploy/docker/install.py does the work, so that it can be tested without an engine.

# Replace tag and digest together: docker buildx imagetools inspect python:3.11.15-slim-bookworm
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba
# What is built where no target can be named, as on Railway: a service there has it as a variable.
ARG STUDIO_TARGET=gateway

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS python
ENV LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

FROM python AS install
WORKDIR /src
COPY deploy/docker/install.py deploy/docker/install.py
COPY deploy/docker/requirements deploy/docker/requirements

# --- What is derived from the contract: stubs, descriptors, types of TypeScript; and the pages.

FROM install AS contract
RUN ["python", "deploy/docker/install.py", "packages", "build", "/opt/build"]
ENV PATH=/opt/build/venv/bin:$PATH \
    PYTHONPATH=/src:/src/generated
COPY tools tools
COPY protos protos
RUN ["python", "tools/protos.py", "generate"]

FROM contract AS pages
COPY package.json package-lock.json ./
COPY console/package.json console/package.json
COPY clients/typescript/package.json clients/typescript/package.json
RUN ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
COPY services services
COPY clients clients
COPY console console
RUN python tools/typescript.py && npm run build --workspace=console

# --- Packages and code of each target, below /opt/studio.

FROM install AS registry-files
RUN ["python", "deploy/docker/install.py", "packages", "registry", "/opt/studio"]
COPY LICENSE LICENSE
COPY deploy/sql deploy/sql
COPY services services
COPY --from=contract /src/generated generated
RUN ["python", "deploy/docker/install.py", "code", "registry", "/opt/studio"]

FROM install AS redis_svc-files
RUN ["python", "deploy/docker/install.py", "packages", "redis_svc", "/opt/studio"]
COPY LICENSE LICENSE
COPY services services
COPY --from=contract /src/generated generated
RUN ["python", "deploy/docker/install.py", "code", "redis_svc", "/opt/studio"]

FROM install AS mongo_svc-files
RUN ["python", "deploy/docker/install.py", "packages", "mongo_svc", "/opt/studio"]
COPY LICENSE LICENSE
COPY services services
COPY --from=contract /src/generated generated
RUN ["python", "deploy/docker/install.py", "code", "mongo_svc", "/opt/studio"]

FROM install AS bun_proxy-files
RUN ["python", "deploy/docker/install.py", "packages", "bun_proxy", "/opt/studio"]
COPY LICENSE LICENSE
COPY services services
COPY --from=contract /src/generated generated
RUN ["python", "deploy/docker/install.py", "code", "bun_proxy", "/opt/studio"]

FROM install AS gateway-files
RUN ["python", "deploy/docker/install.py", "packages", "gateway", "/opt/studio"]
COPY LICENSE LICENSE
COPY services services
COPY gateway gateway
COPY --from=contract /src/generated generated
COPY --from=pages /src/console/dist console/dist
RUN ["python", "deploy/docker/install.py", "code", "gateway", "/opt/studio"]

# --- The images: no pip, no compiler, nobody but one user without a home, who can write to /tmp and the spool alone.

FROM python AS runtime
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore setuptools wheel pip \
    && rm -rf /usr/local/lib/python3.*/ensurepip /root/.cache \
    && groupadd --gid 10001 studio \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin studio \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/studio/spool
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Studio Databases" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/studio/venv/bin:$PATH
WORKDIR /opt/studio/app
USER 10001:10001
STOPSIGNAL SIGTERM

FROM runtime AS registry
ENV AUDIT_SPOOL_DIR=/var/lib/studio/spool
COPY --from=registry-files /opt/studio /opt/studio
EXPOSE 50051 9051
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-m", "services.runtime.probe", "[::]:9051"]
CMD ["python", "-m", "services.registry"]

FROM runtime AS redis_svc
ENV AUDIT_SPOOL_DIR=/var/lib/studio/spool
COPY --from=redis_svc-files /opt/studio /opt/studio
EXPOSE 50052 9052
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-m", "services.runtime.probe", "[::]:9052"]
CMD ["python", "-m", "services.redis_svc"]

FROM runtime AS mongo_svc
ENV AUDIT_SPOOL_DIR=/var/lib/studio/spool
COPY --from=mongo_svc-files /opt/studio /opt/studio
EXPOSE 50053 9053
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-m", "services.runtime.probe", "[::]:9053"]
CMD ["python", "-m", "services.mongo_svc"]

FROM runtime AS bun_proxy
ENV AUDIT_SPOOL_DIR=/var/lib/studio/spool
COPY --from=bun_proxy-files /opt/studio /opt/studio
EXPOSE 50054 8054 9054
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-m", "services.runtime.probe", "[::]:9054"]
CMD ["python", "-m", "services.bun_proxy"]

FROM runtime AS gateway
ENV CONSOLE_DIR=/opt/studio/app/console/dist
COPY --from=gateway-files /opt/studio /opt/studio
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=4s --start-period=60s --retries=3 CMD ["python", "-m", "gateway.probe"]
CMD ["python", "-m", "gateway"]

# hadolint ignore=DL3006
FROM ${STUDIO_TARGET}
