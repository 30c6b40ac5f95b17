// Drives the stand-in with Stripe's own SDK for Node; prints one JSON object of what it saw.
// Arguments: the address of the stand-in, the secret key, the step ("open" or "pay"), and for "pay" the account.
import Stripe from "stripe";

const [base, key, step, account] = process.argv.slice(2);
const address = new URL(base);
// The stand-in lives below a path, which the SDK cannot be told: the door adds it.
const door = (url, options) => {
  const wanted = new URL(url);
  wanted.pathname = address.pathname.replace(/\/$/, "") + wanted.pathname;
  return fetch(wanted, options);
};
const stripe = new Stripe(key, {
  host: address.hostname,
  port: address.port,
  protocol: address.protocol.replace(":", ""),
  httpClient: Stripe.createFetchHttpClient(door),
  maxNetworkRetries: 2,
});

async function open() {
  const made = await stripe.v2.core.accounts.create({
    contact_email: "node@example.org",
    dashboard: "express",
    identity: { country: "us", entity_type: "individual" },
    defaults: {
      currency: "usd",
      responsibilities: { fees_collector: "application", losses_collector: "application" },
    },
    configuration: { recipient: { capabilities: { stripe_balance: { stripe_transfers: { requested: true } } } } },
    include: ["configuration.recipient"],
  });
  const link = await stripe.v2.core.accountLinks.create({
    account: made.id,
    use_case: {
      type: "account_onboarding",
      account_onboarding: { refresh_url: "http://localhost:8000/", return_url: "http://localhost:8000/back/" },
    },
  });
  return { account: made.id, url: link.url };
}

async function pay() {
  const order = { amount: 250, currency: "usd", destination: account, transfer_group: "node-1" };
  const options = { idempotencyKey: `node-${account}` };
  const first = await stripe.transfers.create(order, options);
  const replay = await stripe.transfers.create(order, options);
  let mismatch = "";
  try {
    await stripe.transfers.create({ ...order, amount: 251 }, options);
  } catch (error) {
    mismatch = error.type;
  }
  let missing = "";
  try {
    await stripe.transfers.retrieve("tr_nowhere");
  } catch (error) {
    missing = `${error.type} ${error.statusCode}`;
  }
  const found = await stripe.transfers.list({ transfer_group: "node-1", destination: account });
  const entries = await stripe.balanceTransactions.list({ source: first.id });
  const payouts = await stripe.payouts.list({}, { stripeAccount: account });
  return {
    first: first.id,
    replay: replay.id,
    mismatch,
    missing,
    found: found.data.map((transfer) => transfer.id),
    moved: entries.data.map((entry) => entry.net),
    payouts: payouts.data.map((payout) => payout.amount),
  };
}

console.log(JSON.stringify(await { open, pay }[step]()));
