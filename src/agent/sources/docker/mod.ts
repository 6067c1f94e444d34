/** Docker as a source of the agent. */
export { type DockerOptions, type DockerSocket, parseDockerHost, parseDockerIp } from "./options.ts";
export { dockerSource } from "./source.ts";
