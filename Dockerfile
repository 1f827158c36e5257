# syntax=docker/dockerfile:1
# Flink 2.3 with the jobs of this project: JobManager and TaskManagers of k8s/ run it, as can any other Flink set-up.
#   docker build --platform linux/amd64 -t kappafleet:0.1.0 .
# x86-64 only: pemja, which runs Python inside Flink's JVM, is published for no other Linux.
ARG FLINK_VERSION=2.3.0

# The connectors jar. Dependencies are fetched into a cache of the build, not into a layer.
FROM maven:3.9.9-eclipse-temurin-17 AS jar
WORKDIR /build
COPY connectors/java/pom.xml ./
COPY connectors/java/src/main src/main
RUN --mount=type=cache,target=/maven mvn -B -ntp -Dmaven.repo.local=/maven package -Dmaven.test.skip=true

# Flink's image is an Ubuntu 24.04 with a Java 17 runtime and without Python; 3.12 is the Ubuntu's own. Flink loads
# it as a shared library, which is a package apart from the program.
FROM flink:${FLINK_VERSION}-java17 AS flink
USER root
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3.12 libpython3.12t64 \
    && rm -rf /var/lib/apt/lists/*

# The Python packages, each with the version and the hash that the lock file names. PyFlink's own copy of Flink
# (340 MB) goes again: FLINK_HOME is the image's.
FROM flink AS python
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3.12-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3.12 -m venv /opt/venv
COPY requirements.lock /tmp/
RUN /opt/venv/bin/python -m pip install --no-cache-dir --no-deps --use-pep517 --require-hashes -r /tmp/requirements.lock \
    && cd /opt/venv/lib/python3.12/site-packages/pyflink \
    && rm -r lib opt plugins

FROM flink
LABEL org.opencontainers.image.title="kappafleet" \
      org.opencontainers.image.description="Streaming statistics of drivers and sensors on Flink" \
      org.opencontainers.image.licenses="Apache-2.0"
# The environment's bin first: Flink finds the shared library by running `python`. The project lies at one stable
# place that client and TaskManagers import from; compiled kernels are kept in a folder that flink may write.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/kappafleet \
    NUMBA_CACHE_DIR=/var/cache/kappafleet
COPY --from=python /opt/venv /opt/venv
# Both jars belong into lib: from a job's own jars a second job in the same TaskManager would load pemja's native
# library through another class loader, and die. The one in opt stays, Flink looks for it there.
COPY --from=jar /build/target/kappafleet-connectors.jar /opt/flink/lib/
ARG FLINK_VERSION
RUN cp "/opt/flink/opt/flink-python-${FLINK_VERSION}.jar" /opt/flink/lib/ \
    && install -d -o flink -g flink /var/cache/kappafleet
COPY LICENSE NOTICE /opt/kappafleet/
COPY conf /opt/kappafleet/conf
COPY connectors/*.py /opt/kappafleet/connectors/
COPY jobs /opt/kappafleet/jobs
COPY kappafleet /opt/kappafleet/kappafleet
COPY schemas /opt/kappafleet/schemas
COPY serving /opt/kappafleet/serving
# A package that is missing, or Python's shared library, fails the build and not the first job.
RUN python -m compileall -q /opt/kappafleet \
    && python -c 'import pemja, find_libpython, jobs.driver_stats.job; assert find_libpython.find_libpython()'
USER flink
