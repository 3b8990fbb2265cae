/** What a failed call says: https://google.aip.dev/193 in the JSON shape of docs/errors.md. */

/** One rule that a field of the request breaks. */
export interface FieldViolation {
  field: string;
  description: string;
}

interface Detail {
  "@type"?: string;
  reason?: string;
  metadata?: Record<string, string>;
  field_violations?: FieldViolation[];
}

interface ErrorBody {
  message?: unknown;
  error_code?: unknown;
  retryable?: unknown;
  details?: unknown;
}

/** What is known of a failure beside its sentence. */
export interface Failure {
  /** HTTP status; 0 where no answer came. */
  readonly status: number;
  /** Name of an `ErrorReason` of the contract: `DB_NOT_FOUND`. */
  readonly code: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** Milliseconds to wait before that; undefined where nothing was said. */
  readonly retryAfterMs?: number | undefined;
  /** What to try next, in a sentence; empty where nobody knows. */
  readonly hint?: string;
  /** Broken rules by field. */
  readonly fields?: readonly FieldViolation[];
  /** Further facts: the failing `stage` of a connection, the `confirmation` that is asked for. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** By which the logs know the call. */
  readonly requestId?: string;
}

/** A call that failed: by an answer that says why, or without one (`status` 0). */
export class ApiError extends Error implements Failure {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly hint: string;
  readonly fields: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly requestId: string;

  constructor(message: string, failure: Failure) {
    super(message);
    this.status = failure.status;
    this.code = failure.code;
    this.retryable = failure.retryable;
    this.retryAfterMs = failure.retryAfterMs;
    this.hint = failure.hint ?? "";
    this.fields = failure.fields ?? [];
    this.metadata = failure.metadata ?? {};
    this.requestId = failure.requestId ?? "";
  }

  /** The token to send again with, where the call needs to be confirmed. */
  get confirmation(): string | undefined {
    return this.code === "CONFIRMATION_REQUIRED" ? this.metadata.confirmation : undefined;
  }

  /** Whether the caller has to sign in (again). */
  get needsSignIn(): boolean {
    return this.status === 401;
  }
}

/** The error of an answer that is not a success; reads its body. */
export async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  return errorFrom(parsed(text), response.status, response.headers);
}

/** The error for a call that got no answer. */
export function unreachable(cause: unknown): ApiError {
  const error = new ApiError("The server can't be reached.", {
    status: 0,
    code: "UNREACHABLE",
    retryable: true,
    hint: "Check the network, and whether the system is running.",
  });
  error.cause = cause;
  return error;
}

/** An error from its JSON body, whatever that is. */
export function errorFrom(body: unknown, status: number, headers: Headers): ApiError {
  const { message, error_code, retryable, details } = (isObject(body) ? body : {}) as ErrorBody;
  const list = (Array.isArray(details) ? details : []) as Detail[];
  const info = list.find((each) => each["@type"]?.endsWith("ErrorInfo"));
  const broken = list.find((each) => each["@type"]?.endsWith("BadRequest"));
  return new ApiError(typeof message === "string" && message ? message : `The server answered ${status}.`, {
    status,
    code: typeof error_code === "string" ? error_code : (info?.reason ?? "UNKNOWN"),
    retryable: retryable === true,
    retryAfterMs: retryAfterMs(headers.get("retry-after")),
    hint: info?.metadata?.hint ?? "",
    fields: broken?.field_violations ?? [],
    metadata: info?.metadata ?? {},
    requestId: headers.get("x-request-id") ?? "",
  });
}

/** `Retry-After` in milliseconds: seconds or a date (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3). */
function retryAfterMs(value: string | null): number | undefined {
  if (!value) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
