// Lint rules of our own, for what oxlint's own rules let pass.

/** `x as unknown as T` and `x as never` switch the type checker off; where one is right, the line says why. */
const noDoubleCast = {
  create: (context) => ({
    TSAsExpression(node) {
      const through = node.expression.type === 'TSAsExpression'
      if (!through && node.typeAnnotation.type !== 'TSNeverKeyword') return
      context.report({
        node,
        message: 'This cast goes around the type checker: narrow the value, or say why on this line.',
      })
    },
  }),
}

/** The ways to reach `process.env` that node/no-process-env does not see. */
const noHiddenEnvironment = {
  create: (context) => {
    const message = 'The environment is read in a config.ts only.'
    return {
      ImportDeclaration(node) {
        if (/^(node:)?process$/.test(node.source.value)) context.report({ node, message })
      },
      VariableDeclarator(node) {
        const fromProcess = node.init?.type === 'Identifier' && node.init.name === 'process'
        if (fromProcess && node.id.type === 'ObjectPattern') context.report({ node, message })
      },
    }
  },
}

export default {
  meta: { name: 'agentfs' },
  rules: { 'no-double-cast': noDoubleCast, 'no-hidden-environment': noHiddenEnvironment },
}
