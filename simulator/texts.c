/* SPDX-License-Identifier: Apache-2.0 */
#include "texts.h"

#include "mem.h"

static const char *const texts[] = {
    "Hello, is the shop open today?",
    "Hi! Do you ship to Norway? 🇳🇴",
    "Yes, until six. See you soon!",
    "Could you hold the blue one for me, size 38?",
    "My order has not arrived yet, the tracking page says \"in transit\" since Monday.",
    "Perfect, thank you so much 🙏",
    "👍",
    "Is this available in green?",
    "Hola, ¿tienen envíos a Canarias?",
    "Sí, claro. Tardan de 3 a 5 días laborables.",
    "Bonjour, la commande n° 2041 est-elle déjà partie ?",
    "Merci beaucoup, à bientôt 😊",
    "Guten Tag, können Sie mir die Rechnung noch einmal schicken?",
    "Größe M wäre schön, gern auch in Weiß.",
    "Buongiorno! Avete ancora posti per sabato sera? 🍝",
    "Olá, qual é o prazo de entrega para o Porto?",
    "Dzień dobry, czy mogę zamienić rozmiar?",
    "Merhaba, ürün stokta var mı?",
    "Здравствуйте, можно вернуть товар через почту?",
    "Добрий день! Чи працюєте ви в неділю?",
    "مرحبا، هل يمكن الدفع عند الاستلام؟",
    "שלום, האם יש משלוחים לחיפה?",
    "नमस्ते, क्या यह आज मिल सकता है?",
    "こんにちは、予約を変更したいのですが。",
    "你好，请问还有现货吗？",
    "안녕하세요, 환불은 어떻게 하나요?",
    "สวัสดีค่ะ เปิดกี่โมงคะ",
    "Xin chào, shop có giao hàng ở Đà Nẵng không?",
    "Line one\nLine two: C:\\orders\\2041\nLine three",
    "Ok 👌🏽 family of four 👨‍👩‍👧‍👦, arriving at noon",
    "Kan jeg få den pakket inn som gave? 🎁",
    "Great service, five stars ⭐⭐⭐⭐⭐",
};

static const char *const emojis[] = {"👍", "❤", "😂", "😮", "😢", "🙏", "🔥", "🎉"};

static const char *const first_names[] = {
    "Amélie", "Björn",  "Chiara", "Dmytro", "Elif",  "Fátima", "Grzegorz",  "Hanna",
    "Ivan",   "Jürgen", "Kaito",  "Leïla",  "María", "Noor",   "Oluwaseun", "Pat",
    "Quynh",  "Rosa",   "Søren",  "Tomás",  "Uma",   "Véra",   "Wei",       "Yara",
};
static const char *const last_names[] = {
    "Andersen", "Bianchi", "Cohen",  "Dubois",    "Estévez", "Fournier", "García",  "Haddad",
    "Ito",      "Jansen",  "Kowal",  "Lindqvist", "Müller",  "Nguyen",   "O'Brien", "Papadopoulos",
    "Quispe",   "Rossi",   "Sharma", "Tanaka",    "Usman",   "Varga",    "Wang",    "Zieliński",
};

size_t sim_texts_n(void)
{
    return ARRAY_LEN(texts);
}

struct str sim_text(size_t i)
{
    return str_of(texts[i % ARRAY_LEN(texts)]);
}

size_t sim_emojis_n(void)
{
    return ARRAY_LEN(emojis);
}

struct str sim_emoji(size_t i)
{
    return str_of(emojis[i % ARRAY_LEN(emojis)]);
}

struct str sim_first_name(uint64_t number)
{
    return str_of(first_names[number % ARRAY_LEN(first_names)]);
}

struct str sim_last_name(uint64_t number)
{
    return str_of(last_names[number / ARRAY_LEN(first_names) % ARRAY_LEN(last_names)]);
}
