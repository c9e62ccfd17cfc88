/**
 * Lists as text for people: columns, the last of them as long as it likes, perhaps as a tree.
 *
 * @module
 */
import { columnsOf, cutToColumns, fitToColumns } from "../export/mod.ts";

/** How lists look. */
export interface TextLook {
  readonly color: boolean;
  /** Lines are cut here; uncut without it. */
  readonly columns?: number;
}

/** A column of equal width; texts are safe for a terminal. */
export interface TextColumn {
  readonly title: string;
  readonly cells: readonly string[];
  /** Numbers stand at the right. */
  readonly isNumber?: boolean;
  /** On a terminal wider cells are cut; a pipe gets them whole. */
  readonly columnsMax?: number;
}

/** A list: its columns, and the text that ends each line. */
export interface TextList {
  readonly columns: readonly TextColumn[];
  readonly title: string;
  readonly texts: readonly string[];
}

const DIM = "\x1b[2m";
const RESET = "\x1b[0m";
/** Deeper nodes stand below each other: chains of thousands exist, screens that wide do not. */
const INDENT_MAX = 192;

/** Something with children of its kind. */
export interface TreeNode<Node> {
  readonly children: readonly Node[];
}

/** A node and the text that draws the tree before it. */
export interface TreeRow<Node> {
  readonly node: Node;
  readonly branch: string;
}

/** Rows parents first, each with its branch. Without recursion: chains may be very long. */
export function treeRows<Node extends TreeNode<Node>>(roots: readonly Node[]): TreeRow<Node>[] {
  const rows: TreeRow<Node>[] = [];
  const waiting = roots.toReversed().map((node) => ({ node, branch: "", indent: "" }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, branch, indent } = next;
    rows.push({ node, branch });
    const last = node.children.length - 1;
    for (let at = last; at >= 0; at--) {
      const isDrawn = indent.length < INDENT_MAX;
      waiting.push({
        node: node.children[at]!,
        branch: indent + (at === last ? "└─ " : "├─ "),
        indent: isDrawn ? indent + (at === last ? "   " : "│  ") : indent,
      });
    }
  }
  return rows;
}

/** Titles, then a line for each text; columns before it are dim where there is colour. */
export function formatList(list: TextList, look: TextLook): string {
  const { color, columns: width } = look;
  const cut = (text: string) => width === undefined ? text : cutToColumns(text, width);
  const paint = (text: string) => color ? `${DIM}${text}${RESET}` : text;
  const columns = list.columns.map((column) => fitted(column, look));
  const titles = columns.map(({ title }) => `${title} `).join("") + list.title;
  const lines = list.texts.map((text, row) => {
    const start = columns.map(({ cells }) => `${cells[row] ?? ""} `).join("");
    // Cut first: an escape sequence takes no column.
    const line = cut(start + text).trimEnd();
    return color ? paint(line.slice(0, start.length)) + line.slice(start.length) : line;
  });
  return `${[paint(cut(titles)), ...lines].join("\n")}\n`;
}

/** Title and cells in one width. */
function fitted(
  { title, cells, isNumber = false, columnsMax = Infinity }: TextColumn,
  { columns }: TextLook,
): { readonly title: string; readonly cells: readonly string[] } {
  const needed = cells.reduce((most, cell) => Math.max(most, columnsOf(cell)), title.length);
  const width = columns === undefined ? needed : Math.min(needed, columnsMax);
  const fit = (text: string) => fitToColumns(text, width, isNumber);
  return { title: fit(title), cells: cells.map(fit) };
}
