/**
 * A rule of `deno lint`: no function above 70 lines.
 *
 * @module
 */

const FUNCTION_LINES_MAX = 70;

/** deno.json names this file; Deno reads its default export. */
const plugin: Deno.lint.Plugin = {
  name: "shrike",
  rules: {
    "function-length": {
      create(context) {
        const check = (node: Deno.lint.Node) => {
          const text = context.sourceCode.getText(node);
          const count = text.split("\n").length;
          if (count <= FUNCTION_LINES_MAX) return;
          context.report({
            node,
            message: `Function of ${count} lines, ${FUNCTION_LINES_MAX} are allowed`,
          });
        };
        return {
          FunctionDeclaration: check,
          FunctionExpression: check,
          ArrowFunctionExpression: check,
        };
      },
    },
  },
};

export default plugin;
