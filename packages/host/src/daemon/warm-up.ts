const warmUps: Readonly<Record<string, readonly (readonly string[])[]>> = {
  python: [["python3", "-c", "import json, os, sys, subprocess"]],
  node: [["node", "-e", "0"]],
};

/** Programs that a template of an image has run before it is saved: the next ones of that kind start from memory. */
export function warmUpOf(imageName: string): readonly (readonly string[])[] {
  return [["/bin/sh", "-c", "true"], ["/bin/bash", "-c", "true"], ...(warmUps[imageName] ?? [])];
}
