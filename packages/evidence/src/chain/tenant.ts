export { defaultTenant, isTenant } from "@mvm/protocol";
