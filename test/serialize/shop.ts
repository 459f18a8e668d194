// Errors of a module that a program imports.
export class SoldOut extends RangeError {
  readonly article: string;

  constructor(article: string) {
    super(`no ${article} left`);
    this.name = 'SoldOut';
    this.article = article;
  }
}

export function sell(article: string): never {
  throw new SoldOut(article);
}

class Hidden extends Error {}

/** Of a class that nobody else can name. */
export function fail(): never {
  throw new Hidden('of the shop');
}

export function isOfShop(error: unknown): boolean {
  return error instanceof Hidden;
}
