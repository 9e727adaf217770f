// @ts-check
import { h } from "./dom.js";
import { t } from "./words.js";

/** The first of each name is what a reaction or a text gets. */
const LIST =
  "grinning😀 smiley😃 smile😄 grin😁 laughing😆 sweat_smile😅 rofl🤣 joy😂 slight_smile🙂 upside_down🙃 wink😉 blush😊 innocent😇 " +
  "hearts_face🥰 heart_eyes😍 star_struck🤩 kissing_heart😘 yum😋 tongue😛 zany🤪 money_face🤑 hug🤗 oops🤭 shush🤫 thinking🤔 " +
  "salute🫡 zipper_mouth🤐 raised_brow🤨 neutral😐 expressionless😑 smirk😏 unamused😒 roll_eyes🙄 grimace😬 relieved😌 pensive😔 " +
  "sleepy😪 sleeping😴 mask😷 sick🤒 nauseated🤢 sneeze🤧 hot🥵 cold🥶 dizzy😵 exploding_head🤯 cowboy🤠 party🥳 sunglasses😎 nerd🤓 " +
  "confused😕 worried😟 frown🙁 open_mouth😮 astonished😲 flushed😳 pleading🥺 fearful😨 anxious😰 sad😥 cry😢 sob😭 scream😱 " +
  "disappointed😞 sweat😓 weary😩 tired😫 yawn🥱 triumph😤 rage😡 angry😠 cursing🤬 devil😈 skull💀 poop💩 clown🤡 ghost👻 alien👽 " +
  "robot🤖 cat_face😺 see_no_evil🙈 hear_no_evil🙉 speak_no_evil🙊 heart❤️ orange_heart🧡 yellow_heart💛 green_heart💚 blue_heart💙 " +
  "purple_heart💜 black_heart🖤 broken_heart💔 sparkling_heart💖 kiss💋 hundred💯 anger💢 boom💥 splash💦 dash💨 zzz💤 speech💬 " +
  "thought💭 wave👋 raised_hand✋ ok_hand👌 pinch🤏 victory✌️ fingers_crossed🤞 rock🤘 call_me🤙 point_left👈 point_right👉 " +
  "point_up👆 point_down👇 thumbsup👍 +1👍 thumbsdown👎 -1👎 fist✊ punch👊 clap👏 raised_hands🙌 handshake🤝 pray🙏 writing✍️ " +
  "muscle💪 ear👂 eyes👀 eye👁️ brain🧠 baby👶 person🧑 facepalm🤦 shrug🤷 bow🙇 runner🏃 dancer💃 walking🚶 family👪 footprints👣 " +
  "dog🐶 cat🐱 mouse🐭 hamster🐹 rabbit🐰 fox🦊 bear🐻 panda🐼 koala🐨 tiger🐯 lion🦁 cow🐮 pig🐷 frog🐸 monkey🐵 chicken🐔 penguin🐧 " +
  "bird🐦 duck🦆 owl🦉 wolf🐺 horse🐴 unicorn🦄 bee🐝 bug🐛 butterfly🦋 snail🐌 turtle🐢 snake🐍 octopus🐙 crab🦀 fish🐟 dolphin🐬 " +
  "whale🐳 elephant🐘 sloth🦥 hedgehog🦔 dragon🐉 cactus🌵 tree🌳 seedling🌱 herb🌿 clover🍀 leaf🍃 fallen_leaf🍂 mushroom🍄 " +
  "bouquet💐 tulip🌷 rose🌹 sunflower🌻 blossom🌸 earth🌍 moon🌙 full_moon🌕 sun☀️ star⭐ glowing_star🌟 sparkles✨ zap⚡ fire🔥 " +
  "rainbow🌈 cloud☁️ rain🌧️ snowflake❄️ snowman⛄ wind🌬️ umbrella☔ ocean🌊 apple🍎 banana🍌 grapes🍇 melon🍉 lemon🍋 strawberry🍓 " +
  "cherries🍒 peach🍑 avocado🥑 tomato🍅 carrot🥕 corn🌽 pepper🌶️ bread🍞 cheese🧀 egg🥚 bacon🥓 burger🍔 fries🍟 pizza🍕 taco🌮 " +
  "salad🥗 spaghetti🍝 ramen🍜 sushi🍣 cookie🍪 cake🍰 birthday🎂 doughnut🍩 chocolate🍫 popcorn🍿 icecream🍦 coffee☕ tea🍵 beer🍺 " +
  "beers🍻 wine🍷 cocktail🍸 champagne🍾 soccer⚽ basketball🏀 tennis🎾 trophy🏆 medal🏅 first🥇 dart🎯 game🎮 dice🎲 puzzle🧩 art🎨 " +
  "music🎵 guitar🎸 microphone🎤 headphones🎧 film🎬 ticket🎫 tada🎉 confetti🎊 balloon🎈 gift🎁 ribbon🎀 christmas_tree🎄 pumpkin🎃 " +
  "car🚗 taxi🚕 bus🚌 train🚆 bike🚲 plane✈️ rocket🚀 ship🚢 sailboat⛵ anchor⚓ construction🚧 stop🛑 house🏠 office🏢 hospital🏥 " +
  "school🏫 tent⛺ mountain⛰️ beach🏖️ map🗺️ compass🧭 watch⌚ alarm⏰ hourglass⏳ phone📱 laptop💻 keyboard⌨️ printer🖨️ disk💾 camera📷 " +
  "tv📺 bulb💡 flashlight🔦 candle🕯️ battery🔋 plug🔌 book📖 books📚 newspaper📰 memo📝 pencil✏️ pen🖊️ folder📁 calendar📅 chart📈 " +
  "chart_down📉 bar_chart📊 clipboard📋 pushpin📌 paperclip📎 ruler📏 scissors✂️ lock🔒 unlock🔓 key🔑 hammer🔨 wrench🔧 gear⚙️ link🔗 " +
  "magnet🧲 microscope🔬 telescope🔭 pill💊 syringe💉 dna🧬 broom🧹 soap🧼 bell🔔 no_bell🔕 loudspeaker📢 mail✉️ inbox📥 outbox📤 " +
  "package📦 money💰 dollar💵 credit_card💳 gem💎 scales⚖️ mag🔍 check✅ heavy_check✔️ x❌ warning⚠️ no_entry⛔ prohibited🚫 question❓ " +
  "exclamation❗ plus➕ minus➖ recycle♻️ infinity♾️ up⬆️ down⬇️ left⬅️ right➡️ back🔙 soon🔜 top🔝 new🆕 ok🆗 cool🆒 sos🆘 red_circle🔴 " +
  "orange_circle🟠 yellow_circle🟡 green_circle🟢 blue_circle🔵 white_flag🏳️ checkered_flag🏁 ship_it🐿️";

/** @type {[name: string, emoji: string][]} */
const all = LIST.split(" ").map((one) => {
  const [name] = /** @type {RegExpExecArray} */ (/^[\w+-]+/.exec(one));
  return [name, one.slice(name.length)];
});

/** Those offered first. */
export const common = ["👍", "❤️", "😂", "🎉", "👀", "✅"];

/** The emoji whose names begin with `prefix`, then those that have it inside. @param {string} prefix @param {number} [most] */
export function complete(prefix, most = 8) {
  const word = prefix.toLowerCase();
  const from = all.filter(([name]) => name.startsWith(word));
  const inside = all.filter(([name]) => name.indexOf(word) > 0);
  return [...from, ...inside].slice(0, most).map(([name, emoji]) => ({ name, emoji }));
}

/**
 * The small picker beside an element. Escape or a click elsewhere is null. Focus goes back.
 * @param {Element} anchor @returns {Promise<string | null>}
 */
export function pick(anchor) {
  return new Promise((resolve) => {
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    const grid = h("div", { class: "grid" });
    const find = h("input", {
      type: "search", placeholder: t("findEmoji"), "aria-label": t("findEmoji"), autocomplete: "off",
      oninput: () => fill(find.value.trim()), onkeydown: keys,
    });
    const picker = h("div", { class: "picker", popover: "auto", role: "dialog", "aria-label": t("react") }, find, grid);
    /** @type {string | null} */ let chosen = null;

    /** @param {string} word */
    function fill(word) {
      const found = word ? complete(word, 60) : [...common.map((emoji) => ({ name: nameOf(emoji), emoji })), ...complete("", 999)];
      grid.replaceChildren(...found.map(({ name, emoji }, at) =>
        h("button", { type: "button", "aria-label": name, title: `:${name}:`, tabindex: at ? -1 : 0, onclick: () => done(emoji), onkeydown: keys }, emoji)));
      if (!found.length) grid.append(h("p", { class: "quiet" }, t("noEmoji")));
    }
    /** @param {string | null} emoji */
    function done(emoji) {
      chosen = emoji;
      picker.hidePopover();
    }
    /** @param {KeyboardEvent} event */
    function keys(event) {
      const buttons = [...grid.querySelectorAll("button")];
      const at = buttons.indexOf(/** @type {any} */ (event.target));
      const across = Math.max(1, buttons.filter((one) => one.offsetTop === buttons[0].offsetTop).length);
      const steps = at < 0 ? { ArrowDown: 1 } : { ArrowDown: across, ArrowUp: -across, ArrowRight: 1, ArrowLeft: -1 };
      const step = steps[event.key];
      if (event.key === "Enter" && at < 0 && buttons[0]) done(buttons[0].textContent);
      else if (step) (at + step < 0 ? find : buttons[Math.min(buttons.length - 1, at + step)])?.focus();
      else if (event.key === "Escape") picker.hidePopover();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }
    picker.addEventListener("toggle", (/** @type {any} */ event) => {
      if (event.newState !== "closed") return;
      picker.remove();
      if (before?.isConnected) before.focus({ preventScroll: true });
      resolve(chosen);
    });
    fill("");
    document.body.append(picker);
    picker.showPopover();
    place(picker, anchor);
    find.focus({ preventScroll: true });
  });
}

/** @param {string} emoji */
const nameOf = (emoji) => all.find((one) => one[1] === emoji)?.[0] ?? emoji;

/** Puts a popover beside an element, inside the window. @param {HTMLElement} popover @param {Element} anchor */
export function place(popover, anchor) {
  const at = anchor.getBoundingClientRect();
  const { width, height } = popover.getBoundingClientRect();
  const above = at.top - height - 4;
  const top = at.bottom + 4 + height < innerHeight ? at.bottom + 4 : Math.max(8, above);
  popover.style.top = `${Math.max(8, Math.min(top, innerHeight - height - 8))}px`;
  popover.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
}
