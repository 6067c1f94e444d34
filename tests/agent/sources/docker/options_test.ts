import { assertEquals, assertThrows } from "@std/assert";
import { parseDockerHost, parseDockerIp, showSocket } from "../../../../src/agent/sources/docker/options.ts";
import { InvalidValueError } from "../../../../src/errors.ts";

const sockets: readonly (readonly [text: string, shown: string])[] = [
  ["/var/run/docker.sock", "unix:///var/run/docker.sock"],
  ["unix:///run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock"],
  ["tcp://10.0.0.7:2375", "tcp://10.0.0.7:2375"],
  ["tcp://docker-proxy", "tcp://docker-proxy:2375"],
  ["tcp://[::1]:2375/", "tcp://[::1]:2375"],
];
for (const [text, shown] of sockets) {
  Deno.test(`Docker is reached at ${text}`, () => {
    assertEquals(showSocket(parseDockerHost(text)), shown);
  });
}

const refused: readonly (readonly [text: string, message: string])[] = [
  ["", "absolute path"],
  ["docker.sock", "absolute path"],
  ["unix://docker.sock", "absolute path"],
  [`/${"x".repeat(107)}`, "at most 107 bytes"],
  ["/a\0b", "absolute path"],
  ["ssh://me@host", "ssh -L"],
  ["https://host:2376", "no TLS"],
  ["npipe:////./pipe/docker_engine", "a socket or tcp"],
  ["fd://", "a socket or tcp"],
  ["tcp://", "be tcp://HOST:PORT"],
  ["tcp://host:0", "be tcp://HOST:PORT"],
  ["tcp://host:2375/path", "be tcp://HOST:PORT"],
  ["tcp://a b:1", "be tcp://HOST:PORT"],
];
for (const [text, message] of refused) {
  Deno.test(`Docker is not reached at ${JSON.stringify(text).slice(0, 60)}`, () => {
    assertThrows(() => parseDockerHost(text), InvalidValueError, message);
  });
}

Deno.test("--docker-ip is host, container, or an address", () => {
  for (const text of ["host", "container", "10.0.0.7", "fd00::7", "docker.example.org"]) {
    assertEquals(parseDockerIp(text), text);
  }
  for (const text of ["", "10.0.0", "10.0.0.7:80", "[fd00::7]", "a b", "{ip}", "a/b"]) {
    assertThrows(() => parseDockerIp(text), InvalidValueError, "be host, container, or an address");
  }
});
