# A Hindcast worker (or any other of its commands) with the features of this repository.

FROM node:24-slim AS base
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
ENV PATH=/app/node_modules/.bin:$PATH

# The image has Node 24 itself: the packages' install scripts, which would fetch it once more, don't run.
FROM base AS build
RUN npm ci --ignore-scripts && ln -sf /usr/local/bin/node node_modules/.bin/node
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY activities activities
COPY workflows workflows
COPY workers workers
COPY cli cli
COPY scripts/build.ts scripts/build.ts
RUN node scripts/build.ts

FROM base AS packages
RUN npm ci --ignore-scripts --omit=dev \
  && ln -sf /usr/local/bin/node node_modules/.bin/node \
  && rm -rf node_modules/node node_modules/node-bin-* \
  # Features import 'hindcast': here that is the built one, the same that the command line loads.
  && npm pkg set exports=./dist/src/index.js

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/package.json package.json
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY bin bin
COPY hindcast.config.ts ./
COPY features features
RUN ln -s /app/bin/hindcast /usr/local/bin/hindcast && mkdir .hindcast && chown node:node .hindcast
USER node
VOLUME /app/.hindcast
ENTRYPOINT ["hindcast"]
CMD ["worker"]
