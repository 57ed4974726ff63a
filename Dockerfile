# The program and its datasets in an image of their own: built from source, run without a compiler, as nobody.

FROM debian:bookworm AS build
WORKDIR /src
COPY scripts scripts
RUN scripts/install-packages run
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --loglevel=error && touch node_modules/.installed
COPY . .
RUN make -j"$(nproc)" build data && cp -rL data/datasets /datasets

FROM debian:bookworm-slim
COPY scripts /tmp/scripts
RUN /tmp/scripts/install-packages container && rm -rf /tmp/scripts /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/digitd --shell /usr/sbin/nologin digitd \
    && install -d -o digitd -g digitd -m 750 /var/lib/digitd
COPY --from=build /src/build/digitd /usr/local/bin/digitd
COPY --from=build /datasets /usr/local/share/digitd/datasets
ENV DIGITD_STORE=/var/lib/digitd \
    DIGITD_DATA_DIR=/usr/local/share/digitd/datasets
USER 10001
VOLUME /var/lib/digitd
EXPOSE 8080
ENTRYPOINT ["digitd"]
# It asks for keys: mount a file of them at DIGITD_API_KEY_FILE. Where nobody else can reach it, DIGITD_NO_AUTH=1 instead.
CMD ["serve", "--listen", "0.0.0.0:8080"]
