/** Saves what a call streams to a file of the user's: straight to disk where the browser can, else by way of memory. */

/** Bytes at most that are kept in memory. */
const MOST_IN_MEMORY = 512 << 20;

interface Picker {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<{
    createWritable: () => Promise<WritableStream<Uint8Array>>;
  }>;
}

/** Saves the body of an answer.
 *
 * @param onProgress told how many bytes have come.
 * @throws where the user chooses no file, or it is too large to be kept in memory and the browser can't write files.
 */
export async function saveStream(
  response: Response,
  name: string,
  onProgress: (bytes: number) => void,
): Promise<void> {
  if (!response.body) return;
  let come = 0;
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        come += chunk.byteLength;
        onProgress(come);
        controller.enqueue(chunk);
      },
    }),
  );
  const picker = (window as Picker).showSaveFilePicker;
  if (picker && window.isSecureContext) {
    const file = await picker.call(window, { suggestedName: name }).catch((error: unknown) => {
      // The user closed the dialog; anything else says that it could not be opened, so memory takes it.
      if (error instanceof DOMException && error.name === "AbortError") return null;
      return undefined;
    });
    if (file === null) {
      await counted.cancel();
      throw new Error("No file was chosen, so nothing was saved.");
    }
    if (file) return counted.pipeTo(await file.createWritable());
  }
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const reader = counted.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    if (come > MOST_IN_MEMORY) {
      await reader.cancel();
      throw new Error("This is too large for the browser's memory; ask for less, or use curl.");
    }
    parts.push(value as Uint8Array<ArrayBuffer>);
  }
  saveBlob(new Blob(parts), name);
}

/** Saves what is in memory. */
export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
