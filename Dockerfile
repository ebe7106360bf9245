# syntax=docker/dockerfile:1
# An image for a user, and for `snakemake --executor kubernetes`.
# NOT BUILT YET: no machine with a running Docker was at hand when this file was written.
# docs/how-to/clusters.md says how it is used.
FROM python:3.11-slim

# git: the manifest names the commit. make: the project's own commands.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

# The address of PyTorch's index of CPU wheels (see "Get Started" on PyTorch's site, "CPU").
# Without it pip takes the default wheel, which on Linux is a build for GPUs.
ARG TORCH_INDEX=""
# More packages, such as Snakemake's storage plugin for the bucket in use.
ARG EXTRA=""

WORKDIR /throughtime
# The packages are a layer of their own: an edit of the code does not install them again.
# Every package is named in the lock: --no-deps pulls in nothing else, so no library for GPUs.
COPY requirements.lock ./
RUN grep -v '^torch==' requirements.lock > /tmp/without-torch.txt \
    && pip install --no-cache-dir --no-deps --requirement /tmp/without-torch.txt \
    && pip install --no-cache-dir --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} \
       "$(grep '^torch==' requirements.lock)" \
    && if [ -n "$EXTRA" ]; then pip install --no-cache-dir $EXTRA; fi \
    && { python -c 'import torch' || { \
         echo "this torch is a build for GPUs: give --build-arg TORCH_INDEX=ADDRESS"; exit 1; }; }

COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .

ENV MLFLOW_DISABLE_TELEMETRY=true
# Snakemake on Kubernetes gives its own command.
# A user may give any: `throughtime list`, `snakemake`.
CMD ["throughtime", "--help"]
