import { runnerArgv } from "@mvm/images";

const warmUps: Readonly<Record<string, () => readonly (readonly string[])[]>> = {
  python: () => [["python3", "-c", "import json, os, sys, subprocess"], runnerArgv("python")],
  node: () => [["node", "-e", "0"], runnerArgv("javascript")],
};

/**
 * Programs that a template of an image has run before it is saved: the next ones of that kind start from memory. Runners of
 * code stay, and wait in it.
 */
export function warmUpOf(imageName: string): readonly (readonly string[])[] {
  return [["/bin/sh", "-c", "true"], ["/bin/bash", "-c", "true"], ...(warmUps[imageName]?.() ?? [])];
}
