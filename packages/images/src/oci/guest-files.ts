import { configPath, type ImageConfig, isEmptyConfig } from "../image-config.js";
import { bytesOf } from "./byte-source.js";
import { type Directory, directory, file, type TreeNode } from "./tree.js";

const maxAccountBytes = 1 << 20;

/**
 * What every guest has and a foreign root may lack: the directories the agent mounts on, the user `user` with its home, the
 * image's own configuration. What is there stays, unless it stands in the way.
 */
export async function addGuestFiles(root: Directory, config: ImageConfig): Promise<void> {
  for (const name of ["dev", "proc", "sys", "run"]) root.children.set(name, { node: directory(), layer: 0 });
  for (const path of ["tmp", "var/tmp"]) {
    const { children } = within(root, path.split("/").slice(0, -1));
    children.set("tmp", { node: directory(0o1777), layer: 0 });
  }
  const home = within(root, ["home"]).children;
  if (home.get("user")?.node.type !== "directory") home.set("user", { node: directory(0o755, 1000, 1000), layer: 0 });
  const etc = within(root, ["etc"]).children;
  await append(etc, "passwd", "root:x:0:0:root:/root:/bin/sh\n", "user:x:1000:1000:user:/home/user:/bin/sh\n");
  await append(etc, "group", "root:x:0:\n", "user:x:1000:\n");
  const own = {
    "resolv.conf": "",
    hostname: "mvm\n",
    hosts: "127.0.0.1 localhost\n::1 localhost\n",
    "machine-id": "",
  };
  for (const [name, text] of Object.entries(own)) etc.set(name, { node: textFile(text), layer: 0 });
  if (isEmptyConfig(config)) return;
  const names = configPath.split("/").filter((name) => name !== "");
  const last = names.pop()!;
  within(root, names).children.set(last, { node: textFile(`${JSON.stringify(config)}\n`), layer: 0 });
}

/** An account file with a line more, or a new one. Damaged and odd ones stay as they are. */
async function append(etc: Directory["children"], name: string, first: string, line: string): Promise<void> {
  const known = etc.get(name)?.node;
  if (known === undefined) {
    etc.set(name, { node: textFile(first + line), layer: 0 });
    return;
  }
  if (known.type !== "file" || known.content.size > maxAccountBytes) return;
  const text = (await known.content.read(0, known.content.size)).toString("latin1");
  if (/^user:/m.test(text)) return;
  const joined = text === "" || text.endsWith("\n") ? text + line : `${text}\n${line}`;
  etc.set(name, { node: { ...known, content: bytesOf(Buffer.from(joined, "latin1")) }, layer: 0 });
}

/** A directory, made where it is missing. Links of a merged /usr are followed; anything else in the way is replaced. */
function within(root: Directory, names: readonly string[]): Directory {
  let here = root;
  for (const name of names) {
    let node: TreeNode | undefined = here.children.get(name)?.node;
    if (node?.type === "symlink") node = linked(root, here, node.target);
    if (node?.type !== "directory") {
      node = directory();
      here.children.set(name, { node, layer: 0 });
    }
    here = node;
  }
  return here;
}

/** The directory one link leads to, if it leads there without another. */
function linked(root: Directory, here: Directory, target: string): TreeNode | undefined {
  let node: TreeNode | undefined = target.startsWith("/") ? root : here;
  for (const name of target.split("/").filter((part) => part !== "" && part !== ".")) {
    node = node?.type === "directory" ? node.children.get(name)?.node : undefined;
  }
  return node;
}

function textFile(text: string): TreeNode {
  return file(bytesOf(Buffer.from(text)));
}
