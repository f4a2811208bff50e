"""Short ways to build, save and list records, and calls that touch all of them."""
