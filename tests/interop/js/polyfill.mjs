// Node 20 lacks what js-libp2p 3 needs; Node 22 has it.
Promise.withResolvers ??= function withResolvers () {
  const made = {}
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}
