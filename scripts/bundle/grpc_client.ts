/** What only grpc-js's statistics need, which are switched off, but for what they forget: to load it takes four milliseconds. */
export const orderedMap = {
  replaces: /^@js-sdsl\/ordered-map$/,
  contents: (): string => "exports.OrderedMap = class { eraseElementByKey() {} };",
};

/** What of grpc-js a client of etcd needs: not its servers, its load balancers, its statistics. */
export const grpcClient = {
  replaces: /^@grpc\/grpc-js$/,
  contents: (): string => `
    const { ChannelCredentials } = require("@grpc/grpc-js/build/src/channel-credentials");
    const { ConnectivityState } = require("@grpc/grpc-js/build/src/connectivity-state");
    const { loadPackageDefinition } = require("@grpc/grpc-js/build/src/make-client");
    const { Metadata } = require("@grpc/grpc-js/build/src/metadata");
    for (const part of [
      require("@grpc/grpc-js/build/src/resolver-dns"),
      require("@grpc/grpc-js/build/src/resolver-ip"),
      require("@grpc/grpc-js/build/src/load-balancer-pick-first"),
    ]) part.setup();
    module.exports = {
      connectivityState: ConnectivityState,
      credentials: {
        createInsecure: ChannelCredentials.createInsecure,
        createSsl: ChannelCredentials.createSsl,
      },
      loadPackageDefinition,
      Metadata,
    };`,
};
