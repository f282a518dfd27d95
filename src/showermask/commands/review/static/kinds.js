// @ts-check
// The kinds of image that the page can show: one key each.

/**
 * @typedef {{name: string, key: string, title: string, needs?: string, isOf: (info: any) => boolean,
 *   unit: (info: any) => string, describe: (view: any, info: any, image?: any) => string}} Kind
 */

const unitOfData = (info) => (info.isRamp ? "DN" : "DN/s");

/** @type {Kind[]} */
export const KINDS = [
  {
    name: "evidence",
    key: "1",
    title: "evidence: all groups, weighted for the light curve of the entry",
    needs: "entry",
    isOf: () => true,
    unit: () => "σ",
    describe: ({ smoothing }, _, image) => `evidence, smoothed ${smoothing ?? image?.smoothing ?? "…"} px`,
  },
  {
    name: "difference",
    key: "2",
    title: "a group less the one before",
    isOf: () => true,
    unit: unitOfData,
    describe: ({ group }, info) => {
      if (!info.isRamp) return info.product;
      return group > 0 ? `group ${group} − group ${group - 1}` : "group 0 as it is";
    },
  },
  {
    name: "pair",
    key: "3",
    title: "the group less the pinned one (M)",
    needs: "pinned",
    isOf: (info) => info.isRamp,
    unit: unitOfData,
    describe: ({ group, from }) => `group ${group} − group ${from}, pinned`,
  },
  {
    name: "mean",
    key: "4",
    title: "mean of the groups of the entry, or of all",
    isOf: (info) => info.isRamp || info.nints > 1,
    unit: unitOfData,
    describe: ({ entry }, info) => {
      if (!info.isRamp) return "mean of the integrations";
      const { group = 0, last_group: last = info.ngroups - 1 } = entry ?? {};
      return entry ? `mean difference, groups ${group} to ${last}` : "mean difference of all groups";
    },
  },
  {
    name: "before",
    key: "5",
    title: "rate before the mask",
    isOf: () => true,
    unit: () => "DN/s",
    describe: (_, info) => (info.isRamp ? "rate (mean of differences), no mask" : `${info.product}, no mask`),
  },
  {
    name: "after",
    key: "6",
    title: "rate after the mask",
    isOf: () => true,
    unit: () => "DN/s",
    describe: (_, info) => (info.isRamp ? "rate (mean of differences), masked" : `${info.product}, masked`),
  },
  {
    name: "subtracted",
    key: "7",
    title: "rate with the light of the entry taken out",
    needs: "entry",
    isOf: (info) => info.isRamp && !info.isRaw,
    unit: () => "DN/s",
    describe: () => "rate (mean of differences), light taken out",
  },
  {
    name: "residual",
    key: "8",
    title: "evidence with the light of the entry taken out",
    needs: "entry",
    isOf: (info) => info.isRamp && !info.isRaw,
    unit: () => "σ",
    describe: () => "evidence, light taken out",
  },
];

export const kindOf = (name) => KINDS.find((kind) => kind.name === name) ?? KINDS[1];

const SHAPE = ["integration", "group", "last_group", "x", "y", "a", "b", "theta", "vertices"];

// What a view needs to know of an entry, as the server takes it.
function entryBody({ section, ...entry }) {
  const values = Object.fromEntries(SHAPE.filter((name) => entry[name] !== undefined).map((name) => [name, entry[name]]));
  return { [section]: values };
}

// The request for an image that is no single difference.
export function viewBody({ kind, integration, group, from, entry, smoothing }) {
  const body = { kind, ...(entry ? entryBody(entry) : {}) };
  if (kind === "evidence" || kind === "residual") return { ...body, smoothing };
  if (kind === "pair") return { kind, integration, group, from };
  return { ...body, integration };
}

export const entryRequest = entryBody;

// A name for what is shown: the same for the same image.
export function viewKey(view, revision) {
  if (view.kind === "difference") return `${view.integration}/${view.group}`;
  const mask = ["after", "subtracted", "residual"].includes(view.kind) ? ` ${revision}` : "";
  return `${JSON.stringify(viewBody(view))}${mask}`;
}
