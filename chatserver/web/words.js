// @ts-check
/** The words of the first view; those of the rest are in palette.js. `{name}` is filled in; of `{one, other}` the number chooses. */
export const en = {
  app: "chat", offline: "Not connected. It goes on by itself.", offlineAction: "That needs a connection, and there is none at the moment.",
  badAnswer: "The server answered something that makes no sense ({status}).",
  storageOff: "This browser keeps nothing: what you write is lost with the tab.",
  storageSmall: "This browser keeps only drafts and what is unsent, no messages.", sessionEnded: "You were logged out. Log in again to go on.",
  notKept: "This browser could not keep the message, so it was not sent: {why}",
  tooLong: { one: "1 character too many", other: "{n} characters too many" }, removedFrom: "{by} took you out of #{room}.",
  removedWhy: "{by} took you out of #{room}: {reason}",
  unsent: { one: "One message is not sent yet. It is kept in this browser and sent when you log in again.", other: "{n} messages are not sent yet. They are kept in this browser and sent when you log in again." },
  logOutAnyway: "Log out", stay: "Stay", myself: "{name} (you)", messages: "Messages", chooseConversation: "Choose a conversation, or press Ctrl+K.",
  newMessages: "New", newest: "Newest", newBelow: { one: "1 new message", other: "{n} new messages" },
  gap: { one: "1 earlier message, load", other: "{n} earlier messages, load" }, loading: "Loading…",
  loadFailed: "The earlier messages could not be loaded. Try again", beginning: "This is where {title} begins.",
  nothingSaid: "Nothing has been said here yet.", noSuchMessage: "That message is not there any more.", deletedMessage: "This message was deleted.",
  edited: "edited", sending: "Sending", waiting: "Waiting for a connection", notSent: "This was not sent.", retry: "Try again", edit: "Edit",
  discard: "Discard", react: "React", goToMessage: "Go to the message", quoteEarlier: "An earlier message", showAll: "Show all",
  showLess: "Show less", you: "you", andMore: "and {n} more", insertEmoji: "Put in an emoji", writeMessage: "Write a message",
  messageTo: "Message {title}", send: "Send", completions: "Completions", editing: "Editing. Esc leaves it as it was.", replyingTo: "Replying to",
  cancel: "Cancel", typingOne: "{a} is typing", typingTwo: "{a} and {b} are typing", typingMany: "Several people are typing",
  offlineBox: "Not connected. What you send waits here and goes out by itself.", notIn: "You are not in {title}.", join: "Join",
  onlyModerators: "Only moderators speak here.", charactersLeft: { one: "1 character left", other: "{n} characters left" },
  change_made: "{by} made this room", change_joined: "{by} brought in {name}", change_joined_self: "{by} joined", change_left: "{name} left",
  change_left_self: "{by} left", change_invited: "{by} invited {name}", change_withdrawn: "{by} took back the invitation of {name}",
  change_removed: "{by} removed {name}", change_role_owner: "{by} made {name} an owner", change_role_moderator: "{by} made {name} a moderator",
  change_role_member: "{by} made {name} a member", change_muted: "{by} muted {name} for {minutes} min", change_unmuted: "{by} let {name} speak again",
  change_topic: "{by} set the topic: {topic}", change_untopic: "{by} took away the topic", change_set: "{by} changed how this room is set up",
  close: "Close", back: "Back", filter: "Filter conversations", rooms: "Rooms", private: "Private", nothingFits: "Nothing fits.",
  nUnread: { one: "{n} unread", other: "{n} unread" }, nMentions: { one: "{n} mention of you", other: "{n} mentions of you" },
  hasDraft: "has a draft", hasFailed: "has something that could not be sent", isMuted: "silenced", is_here: "here", is_busy: "busy",
  is_quiet: "here, but quiet for a while", is_away: "not here", is_hidden: "hidden", youHere: "Here",
  youHidden: "Hidden: the others see you logged out", youBusy: "Busy",
  youBusyHeld: { one: "Busy, {n} message held", other: "Busy, {n} messages held" }, connecting: "Connecting…",
  offlineNow: "Offline, connecting again by itself",
  connectingWaiting: { one: "Connecting… {n} message waits", other: "Connecting… {n} messages wait" },
  offlineWaiting: { one: "Offline, {n} message waits", other: "Offline, {n} messages wait" }, newTalk: "New conversation", findRooms: "Find rooms",
  invited: "you are invited", search: "Search", nPeopleDetails: { one: "{n} person: people and settings", other: "{n} people: people and settings" },
  loginName: "Name", loginPassword: "Password", loginButton: "Log in",
  loginWait: { one: "Try again in {n} second.", other: "Try again in {n} seconds." },
  lastHere: "last here {when}",
};

export const words = en;
const plural = new Intl.PluralRules("en");

/** The words for `key`, filled in. @param {string} key @param {Record<string, any>} [values] */
export function t(key, values = {}) {
  let text = words[key] ?? key;
  if (typeof text === "object") text = text[plural.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? value.toLocaleString() : value;
  });
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const oldDay = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const midnight = (date) => new Date(date).setHours(0, 0, 0, 0);

/** The time of day. @param {Date | number} date */
export const time = (date) => clock.format(date);

/** "today", "yesterday", or the day, with its year where that is another. @param {Date | number} date */
export function day(date) {
  const days = Math.round((midnight(date) - midnight(Date.now())) / 864e5);
  if (days === 0 || days === -1) return relative.format(days, "day");
  return (new Date(date).getFullYear() === new Date().getFullYear() ? longDay : oldDay).format(date);
}

/** "5 minutes ago". @param {number} seconds */
export function ago(seconds) {
  for (const [unit, size] of /** @type {[any, number][]} */ ([["day", 86400], ["hour", 3600], ["minute", 60]]))
    if (seconds >= size) return relative.format(-Math.floor(seconds / size), unit);
  return relative.format(0, "minute");
}
