# A classifier as a service, with what predicting needs and nothing of Ray, torch and Optuna.
#
#   docker build --file deploy/service.Dockerfile --tag REGISTRY/textcls-service:0.1.0 .
#   docker run --publish 127.0.0.1:8000:8000 --volume "$PWD/runs/NAME/best:/classifier:ro" \
#       --env TEXTCLS_SERVE_TOKEN="$(openssl rand -hex 32)" REGISTRY/textcls-service:0.1.0
#
# The programs that predict are compiled for the processor at hand when a container first starts
# (some seconds); a volume at /var/cache/textcls keeps them.
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 textcls \
    && install --directory --owner textcls --group textcls /var/cache/textcls

WORKDIR /home/textcls/textcls-tune
COPY deploy/runtime-requirements.txt deploy/runtime-requirements.txt
RUN pip install --no-cache-dir --requirement deploy/runtime-requirements.txt \
        "fastapi>=0.115" "uvicorn>=0.30" "httptools>=0.6" "uvloop>=0.21"
COPY pyproject.toml setup.py README.md LICENSE ./
COPY textcls textcls
COPY tune tune
COPY search_spaces search_spaces
RUN pip install --no-cache-dir --no-deps .

ENV TEXTCLS_KERNEL_CACHE=/var/cache/textcls
USER textcls
WORKDIR /home/textcls
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health')"]
# Beyond its container the service wants a token: TEXTCLS_SERVE_TOKEN, or --no-token behind a proxy.
CMD ["python", "-m", "textcls.serve", "/classifier", "--host", "0.0.0.0"]
