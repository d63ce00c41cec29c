import {
  BalloonTransientError,
  VmBootTimeoutError,
  VmNetworkError,
  VmOverlayError,
  VmPermanentError,
  VmTransientError,
} from "./machine-classes.js";
import { TransportError } from "./transport-classes.js";

/** Same class as {@link TransportError}. */
export const CommunicationError = TransportError;
export type CommunicationError = TransportError;
/** Same class as {@link VmNetworkError}. */
export const VmGvproxyError = VmNetworkError;
export type VmGvproxyError = VmNetworkError;
/** Same class as {@link VmPermanentError}. */
export const VmError = VmPermanentError;
export type VmError = VmPermanentError;
/** Same class as {@link VmBootTimeoutError}. */
export const VmTimeoutError = VmBootTimeoutError;
export type VmTimeoutError = VmBootTimeoutError;
/** Same class as {@link VmTransientError}. */
export const VmBootError = VmTransientError;
export type VmBootError = VmTransientError;
/** Same class as {@link VmOverlayError}. */
export const QemuImgError = VmOverlayError;
export type QemuImgError = VmOverlayError;
/** Same class as {@link VmOverlayError}. */
export const QemuStorageDaemonError = VmOverlayError;
export type QemuStorageDaemonError = VmOverlayError;
/** Same class as {@link BalloonTransientError}. */
export const BalloonError = BalloonTransientError;
export type BalloonError = BalloonTransientError;
