/** Tenant of whoever names none. */
export const defaultTenant = "local";

/** A tenant's name becomes the name of a directory: 1 to 63 letters, digits, `_` or `-`, the first a letter or digit. */
export const tenantPattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$";

/** Whether a text can name a tenant. */
export function isTenant(name: string): boolean {
  return new RegExp(tenantPattern).test(name);
}
