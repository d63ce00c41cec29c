export * from "@mvm/protocol/errors";
