import { expect, test } from "vitest";
import { readRequestHead } from "../../src/egress/request-head.js";

const read = (text: string) => readRequestHead(Buffer.from(text, "latin1"));
const ok = "GET /a HTTP/1.1\r\nHost: A.test\r\nAccept: */*\r\n\r\n";

test("reads the host of a request, from every cut of its bytes", () => {
  expect(read(ok)).toEqual({ host: "a.test", port: 80 });
  expect(read(`${ok}body`)).toEqual({ host: "a.test", port: 80 });
  for (let end = 0; end < ok.length; end++) expect(read(ok.slice(0, end)), `${end}`).toEqual({ needs: end + 1 });
  expect(read("OPTIONS * HTTP/1.1\r\nhost:a.test:8080\r\n\r\n")).toEqual({ host: "a.test", port: 8080 });
  expect(read("GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n")).toEqual({ host: "a.test", port: 80 });
});

test.each([
  ["an absolute target of another host", "GET http://evil.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["an absolute target with a user", "GET http://a.test@evil.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["an absolute target with a fragment", "GET http://evil.test#a.test HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["an absolute target of another port", "GET http://a.test:443/ HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["CONNECT", "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["two hosts", "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n"],
  ["no host", "GET / HTTP/1.1\r\n\r\n"],
  ["a host with a user", "GET / HTTP/1.1\r\nHost: a.test@b.test\r\n\r\n"],
  ["a folded line", "GET / HTTP/1.1\r\nHost: a.test\r\n folded\r\n\r\n"],
  ["a bare line feed", "GET / HTTP/1.1\r\nHost: a.test\nHost: b.test\r\n\r\n"],
  ["a bare carriage return", "GET / HTTP/1.1\r\nHost: a.test\rx\r\n\r\n"],
  ["a NUL", "GET / HTTP/1.1\r\nHost: a.test\0\r\n\r\n"],
  ["a space before the colon", "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n"],
  ["two lengths", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["TLS", "\x16\x03\x01\x02\x00"],
  ["a method in lower case", "get / HTTP/1.1\r\nHost: a.test\r\n\r\n"],
  ["a head without end", `GET / HTTP/1.1\r\nA: ${"x".repeat(20_000)}`],
])("N-14 %s is refused", (_what, text) => {
  expect(read(text)).toBe("not_http");
});
