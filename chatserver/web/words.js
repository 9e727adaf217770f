// @ts-check
/** Every visible word of the page. `{name}` is filled in; of `{one, other}` the number chooses. */
export const en = {
  // engine
  app: "chat",
  offline: "Not connected. It goes on by itself.",
  offlineAction: "That needs a connection, and there is none at the moment.",
  badAnswer: "The server answered something that makes no sense ({status}).",
  storageOff: "This browser keeps nothing: what you write is lost with the tab.",
  storageSmall: "This browser keeps only drafts and what is unsent, no messages.",
  sessionEnded: "You were logged out. Log in again to go on.",
  notKept: "This browser could not keep the message, so it was not sent: {why}",
  tooLong: "That has {n} characters; a message may have {most}.",
  removedFrom: "{by} took you out of #{room}.",
  removedWhy: "{by} took you out of #{room}: {reason}",
  unsent: {
    one: "One message is not sent yet. It is kept in this browser and sent when you log in again.",
    other: "{n} messages are not sent yet. They are kept in this browser and sent when you log in again.",
  },
  logOutAnyway: "Log out",
  stay: "Stay",
  noSuchDate: "Nothing was said here on or after that day.",
  myself: "{name} (you)",
  // login
  loginName: "Name",
  loginPassword: "Password",
  loginButton: "Log in",
  loginWait: { one: "Try again in {n} second.", other: "Try again in {n} seconds." },
  // talk (list, row, composer)
  messages: "Messages",
  chooseConversation: "Choose a conversation, or press Ctrl+K.",
  newMessages: "New",
  newest: "Newest",
  newBelow: { one: "1 new message", other: "{n} new messages" },
  gap: { one: "1 earlier message, load", other: "{n} earlier messages, load" },
  loading: "Loading…",
  loadFailed: "The earlier messages could not be loaded. Try again",
  beginning: "This is where {title} begins.",
  nothingSaid: "Nothing has been said here yet.",
  noSuchMessage: "That message is not there any more.",
  deletedMessage: "This message was deleted.",
  edited: "edited",
  sending: "Sending",
  waiting: "Waiting for a connection",
  notSent: "This was not sent.",
  retry: "Try again",
  edit: "Edit",
  discard: "Discard",
  react: "React",
  reply: "Reply",
  delete: "Delete",
  copy: "Copy text",
  messageActions: "What to do with this message",
  goToMessage: "Go to the message",
  quoteEarlier: "An earlier message",
  deleteAsk: "Delete this message for everybody?",
  discardAsk: "Throw away this message, which nobody has seen?",
  keepIt: "Keep it",
  showAll: "Show all",
  showLess: "Show less",
  you: "you",
  andMore: "and {n} more",
  findEmoji: "Find an emoji",
  noEmoji: "None is called that.",
  insertEmoji: "Put in an emoji",
  writeMessage: "Write a message",
  messageTo: "Message {title}",
  send: "Send",
  completions: "Completions",
  editing: "Editing. Esc leaves it as it was.",
  replyingTo: "Replying to",
  cancel: "Cancel",
  typingOne: "{a} is typing",
  typingTwo: "{a} and {b} are typing",
  typingMany: "Several people are typing",
  offlineBox: "Not connected. What you send waits here and goes out by itself.",
  notIn: "You are not in {title}.",
  join: "Join",
  onlyModerators: "Only moderators speak here.",
  tooLong: { one: "1 character too many", other: "{n} characters too many" },
  charactersLeft: { one: "1 character left", other: "{n} characters left" },
  change_made: "{by} made this room",
  change_joined: "{by} brought in {name}",
  change_joined_self: "{by} joined",
  change_left: "{name} left",
  change_left_self: "{by} left",
  change_invited: "{by} invited {name}",
  change_withdrawn: "{by} took back the invitation of {name}",
  change_removed: "{by} removed {name}",
  change_role_owner: "{by} made {name} an owner",
  change_role_moderator: "{by} made {name} a moderator",
  change_role_member: "{by} made {name} a member",
  change_muted: "{by} muted {name} for {minutes} min",
  change_unmuted: "{by} let {name} speak again",
  change_topic: "{by} set the topic: {topic}",
  change_untopic: "{by} took away the topic",
  change_set: "{by} changed how this room is set up",
  // around (sidebar, panel, search, palette)
  close: "Close", back: "Back", cancel: "Cancel", save: "Save", name: "Name", later: "Later",
  filter: "Filter conversations", rooms: "Rooms", private: "Private", nothingFits: "Nothing fits.",
  nUnread: { one: "{n} unread", other: "{n} unread" }, nMentions: { one: "{n} mention of you", other: "{n} mentions of you" },
  hasDraft: "has a draft", hasFailed: "has something that could not be sent", isMuted: "silenced",
  is_here: "here", is_busy: "busy", is_quiet: "here, but quiet for a while", is_away: "not here", is_hidden: "hidden",
  youHere: "Here", youHidden: "Hidden: the others see you logged out", youBusy: "Busy", youBusyHeld: { one: "Busy, {n} message held", other: "Busy, {n} messages held" },
  connecting: "Connecting…", offlineNow: "Offline, connecting again by itself",
  connectingWaiting: { one: "Connecting… {n} message waits", other: "Connecting… {n} messages wait" },
  offlineWaiting: { one: "Offline, {n} message waits", other: "Offline, {n} messages wait" },
  newTalk: "New conversation", newTalkWith: "With whom?", newTalkHow: "Pick one person, or several to talk among yourselves.",
  talk: "Talk", notesToMyself: "notes to yourself", withoutName: "Without {name}",
  findRooms: "Find rooms", filterRooms: "Filter rooms", noRooms: "There are no rooms yet.", makeRoom: "Make a room", makeIt: "Make it",
  joinRoom: "Join", joinOf: "Join #{room}", openRoom: "Open", openOf: "Open #{room}", joinIt: "join", invited: "you are invited", invitedTitle: "You are invited to #{room}",
  nameRule: "1 to 32 letters, digits, dots, underscores or dashes, beginning with a letter or digit",
  closedLabel: "Closed", closedDetail: "By invitation only; nobody else finds it.",
  announceLabel: "For announcements", announceDetail: "Only moderators speak.",
  details: "People and settings", account: "Your account", settings: "Settings", status: "Status", search: "Search", talkTo: "Talk with {name}",
  nPeople: { one: "{n} person", other: "{n} people" }, nPeopleDetails: { one: "{n} person: people and settings", other: "{n} people: people and settings" },
  notifyMe: "Notify me about", notifyAll: "all messages", notifyMentions: "mentions of me", notifyNone: "nothing",
  topic: "Topic", noTopic: "No topic yet.", changeTopic: "Change the topic", filterPeople: "Filter people", invitations: "Invited",
  invite: "Invite somebody", inviteTo: "Invite to #{room}", invitedTo: "{name} is invited to #{room}.", withdraw: "Withdraw", withdrawOf: "Withdraw the invitation of {name}",
  access: "Who may join", speaking: "Who speaks", past: "What was said before",
  setup_open: "everybody may join", setup_closed: "by invitation only", setup_announce: "only moderators speak",
  setup_everyone: "everybody speaks", setup_past: "its past can be read", setup_nopast: "its past can be read from joining on",
  leave: "Leave", leaveRoom: "Leave #{room}", leaveAsk: "Leave #{room}? What is said there no longer comes to you.",
  lastHere: "last here {when}", shared: "Shared with you", inRoom: "In #{room}", role: "Role",
  role_owner: "owner", role_moderator: "moderator", role_member: "member",
  mute: "Mute", muteFor: "Mute for", unmute: "Let speak again", minutes: "{n} min", hours: "{n} h", days: { one: "{n} day", other: "{n} days" },
  remove: "Remove", removeFrom: "Remove from #{room}", removeTitle: "Remove {name} from #{room}?", reason: "Reason, which all there can read (optional)",
  busyLabel: "Busy", busyDetail: "Messages are held back until you are done.", busyReply: "What others are told meanwhile", busyHint: "in a meeting",
  hiddenLabel: "Hidden", hiddenDetail: "To the others you have logged out.",
  thisBrowser: "This browser", theme: "Colours", themeAuto: "as the system", themeLight: "light", themeDark: "dark", sound: "A sound for messages to you",
  notifications: "Notifications", notificationsDenied: "This browser does not allow them: change that in its settings for this page.",
  devices: "Where you are logged in", unknownDevice: "Unknown device", thisDevice: "this one", seenAt: "{when}, from {address}", revoke: "Log out", revokeOf: "Log out {client}", logOut: "Log out",
  searchHint: "Words", searchHelp: "Words, begin*, \"a phrase\"; from:bob says who, in:#ops or in:bob says where.", searching: "Searching…",
  nHits: { one: "{n} message", other: "{n} messages" }, nHitsMore: "The newest {n} messages", noHits: "Nothing was found.", moreHits: "Show more", goToDay: "Go to a day in {where}",
  goTo: "Go to", goToHint: "A room, a person, something to do", newPrivate: "new conversation", boxNotEmpty: "There is something in the box already: send it first.",
  keysTitle: "All keys", writingTitle: "Writing", commandsTitle: "Commands",
  keyGo: "go to a room, a person or a command", keyStep: "conversation above, below", keyUnread: "the next unread one", nextUnread: "Next unread conversation", keySearch: "search; twice: the browser's own",
  keyEsc: "close; else mark as read and go to the newest", keySend: "send", keyLine: "new line", keyEdit: "in an empty box: correct your last message",
  keyTab: "complete a name or an emoji", keyPast: "further back, to the beginning", keyRow: "at a message: reply, edit, delete, react, copy", keySlash: "a command", keyHelp: "this",
  writeBold: "bold", writeItalic: "italic", writeCode: "code", writeFence: "before and after lines of code", writeQuote: "a quote", writeList: "a list",
  writeMention: "calls somebody", writeEmoji: "an emoji",
  // commands, as the terminal words them
  usage: "Usage: {usage}", usageOr: " or ", usageMissing: "<{label}> is missing.", usageLeft: "There is something left over: '{text}'.", usageBrackets: "Put the names in brackets: (bob carol).",
  usageNumber: "<{label}> must be a whole number, not '{word}'.", usageSettings: "'{word}' is none of {known}.", usageRoom: "'{word}' is a room, not somebody.",
  cmdUnknown: "There is no command '{word}': type /help for the commands. Begin with // to say a slash.", cmdNear: "There is no command '{word}': did you mean /{close}? Begin with // to say a slash.",
  cmdNoPlace: "Say to whom: a name, or a room such as #ops.", cmdNotThereYet: "What you said last is not on the server yet; do that when it is.",
  cmdNoneOwn: "No message that you have said in {where} is known here: scroll back to it first.", cmdNoneOther: "No message of somebody else in {where} is known here: scroll back to it first.",
  cmd_talk: "Choose where to talk: people, or a room.", cmd_next: "Go to the next conversation that waits to be read.",
  busy: "busy", muted: "muted", hidden: "hidden", visible: "visible", now: "now",
  whoHere: "Here now: {names}.", whoNobody: "Nobody else is here.", quietFor: "quiet for {time}", whoWas: "Here in that time: {names}.", lastNobody: "Nobody was here in that time.",
  unreadLine: "{where}: {n} unread", unreadLineYou: "{where}: {n} unread, {m} for you", nothingUnread: "Nothing is unread.",
  statusLine: "You are {name}: {busy}, {seen}.", notBusy: "not busy", held: { one: "with {n} message held", other: "with {n} messages held" },
  sent: "Sent.", sentAll: "Sent to everybody here.", sentBusy: "{name} is busy and will see it later.", sentBusyReply: "{name} is busy and will see it later: {reply}",
  sentDelivered: "Delivered to {names}.", sentStored: "Stored for {names}, to be shown at the next login.", sentUnknown: "No such user: {names}.",
  done_busy: "You are busy: messages are held until you type /idle.", done_idle: "You are no longer busy.", done_hide: "You are hidden: to everybody else you have logged out.", done_appear: "You are visible.",
  done_leave: "You have left.", done_invite: "Invited.", done_remove: "Removed.", done_role: "The role is given.", done_mute: "Done.", done_topic: "The topic is set.", done_set: "The room is set up so.",
  done_read: "Marked as read.", done_ping: "Pong.",
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
