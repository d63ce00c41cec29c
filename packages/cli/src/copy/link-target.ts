import { isComponent } from "./component.js";

/**
 * Whether a link of a copied tree stays in the tree: relative, with `..` only at its beginning and no more of them than
 * directories above it. Its own directories are real ones, so counting is exact; what comes after the `..` may lead
 * through other links of the tree, which stay in it for the same reason.
 */
export function staysInside(target: string, depth: number): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\0") || Buffer.byteLength(target) > 4095)
    return false;
  const components = target.split("/").filter((component) => component !== "" && component !== ".");
  const ups = components.findIndex((component) => component !== "..");
  const leading = ups < 0 ? components.length : ups;
  return leading <= depth && components.slice(leading).every(isComponent);
}
