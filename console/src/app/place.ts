/** Where the page lives: at `/` over all projects, or at `/project/{ref}` beside Studio, for one. */

const PROJECT = /^\/project\/([A-Za-z0-9_-]{1,128})(?=\/|$)/;

const found = PROJECT.exec(location.pathname);

/** Short name of the project that the page is about; undefined for all. */
export const projectRef: string | undefined = found?.[1];

/** What stands before the page's own paths. */
export const basePath: string = found?.[0] ?? "/";
